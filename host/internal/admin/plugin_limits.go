package admin

// PluginLimits are the limits that a plugin's generation runs under, none of them zero.
type PluginLimits struct {
	MemoryBytes       uint64  `json:"memory_bytes"` // of one instance, or of a process
	EventMillis       float64 `json:"event_millis"` // running time; more is a fault
	SlowEventMillis   float64 `json:"slow_event_millis"`
	PacketsMillis     float64 `json:"packets_millis"`
	SlowPacketsMillis float64 `json:"slow_packets_millis"`
	OpenMillis        float64 `json:"open_millis"`
	LogLines          int     `json:"log_lines"`      // a second
	RetainedBytes     uint64  `json:"retained_bytes"` // of one connection
	StateBytes        uint64  `json:"state_bytes"`    // of one session
	Timers            int     `json:"timers"`         // of one session
	PendingWriteBytes uint64  `json:"pending_write_bytes"`
	QueuedEvents      int     `json:"queued_events"` // of the whole plugin
}
