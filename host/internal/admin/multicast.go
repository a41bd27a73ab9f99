package admin

import "time"

// States of a Multicast are those of package multicast: sending, waiting (for the rendition), paused (the destination cannot be reached and is
// tried again), failed (it cannot be sent to as configured, and is tried again).

// Multicast is a group, or one receiver, that a point is sent to unasked.
type Multicast struct {
	To               string    `json:"to"`
	Rendition        string    `json:"rendition"`
	TTL              *int      `json:"ttl,omitempty"` // nil: the system's choice
	Interface        string    `json:"interface,omitempty"`
	Loopback         bool      `json:"loopback"`
	State            string    `json:"state"`
	Reason           string    `json:"reason,omitempty"`
	Remedy           string    `json:"remedy,omitempty"`
	Since            time.Time `json:"since"` // of the state
	Bytes            uint64    `json:"bytes"`
	Datagrams        uint64    `json:"datagrams"`
	DroppedDatagrams uint64    `json:"dropped_datagrams"`
	DroppedPackets   uint64    `json:"dropped_packets"` // left out because of lag or a pause
	Retries          uint64    `json:"retries"`
	SAP              *SAP      `json:"sap,omitempty"` // nil: it is not announced by SAP
}

// SAP is how a group is announced. States are those of package announce: announced, waiting (there is nothing to say yet), failed (it is tried again).
type SAP struct {
	To            string    `json:"to"` // the group and port of the announcements
	State         string    `json:"state"`
	Reason        string    `json:"reason,omitempty"`
	Since         time.Time `json:"since"` // of the state
	Announcements uint64    `json:"announcements"`
	Deletions     uint64    `json:"deletions"`
	Failed        uint64    `json:"failed"` // datagrams that could not be sent
}
