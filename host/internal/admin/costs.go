package admin

// Delivery is what went to viewers, of a point, of one of its renditions by one plugin, or by a plugin, and what that cost. Counts are since the
// server started and do not go down when a rendition ends.
type Delivery struct {
	Viewers        int               `json:"viewers"`
	Waiting        int               `json:"waiting"` // of these, with a full socket
	Attached       uint64            `json:"attached"`
	Bytes          uint64            `json:"bytes"`
	Packets        uint64            `json:"packets"` // whole
	Sends          uint64            `json:"sends"`   // system calls
	BytesPerSend   float64           `json:"bytes_per_send"`
	BusySeconds    float64           `json:"busy_seconds"`    // time of delivery workers, by the wall clock
	DroppedPackets map[string]uint64 `json:"dropped_packets"` // left out for viewers that stayed, by reason: lag, overrun
	DroppedBytes   map[string]uint64 `json:"dropped_bytes"`   // by the same reasons, and those that waited for viewers when they left: left_lag, left_stalled …
	Left           map[string]uint64 `json:"left"`            // viewers, by reason
	Lag            *Lag              `json:"lag,omitempty"`   // nil while no viewer had a turn
	Recent         *Recent           `json:"recent,omitempty"`
}

// Lag tells how far viewers were behind the newest packet when their turn came, in media time. Each viewer counts about twice a second.
type Lag struct {
	Samples   uint64    `json:"samples"`
	P50Millis float64   `json:"p50_millis"` // half of the samples were at most this: a bound of a step; -1: above the last
	P99Millis float64   `json:"p99_millis"`
	Steps     []LagStep `json:"steps"`
}

// LagStep counts samples above the step before and at most UpTo.
type LagStep struct {
	UpToMillis float64 `json:"up_to_millis"` // -1: no bound
	Count      uint64  `json:"count"`
}

// Recent is what delivery was in the last seconds.
type Recent struct {
	Seconds        float64 `json:"seconds"`
	BitsPerSecond  float64 `json:"bits_per_second"`
	SendsPerSecond float64 `json:"sends_per_second"`
	BytesPerSend   float64 `json:"bytes_per_send"`
	BusyPercent    float64 `json:"busy_percent"` // of one core: time of delivery workers
	Lag            *Lag    `json:"lag,omitempty"`
}

// Part is what of a point's delivery was one rendition by one plugin.
type Part struct {
	Rendition string `json:"rendition"`
	Plugin    string `json:"plugin,omitempty"` // through which the viewers came; "multicast": those that the configuration names
	Delivery
}

// Whose processor time a plugin's is.
const (
	CPUOfCalls   = "calls"   // of the threads in calls, from one call of sixteen
	CPUOfProcess = "process" // of all processes of the plugin
)

// Spending is what a plugin takes, over all generations since the server started.
type Spending struct {
	CPUSeconds    float64   `json:"cpu_seconds"`
	CPUOf         string    `json:"cpu_of,omitempty"`
	CPUPercent    float64   `json:"cpu_percent"` // of one core, in the last seconds
	FrameBytesIn  uint64    `json:"frame_bytes_in"`
	FrameBytesOut uint64    `json:"frame_bytes_out"`
	Delivered     *Delivery `json:"delivered,omitempty"` // to viewers that came through it, by the host; nil: none came
}
