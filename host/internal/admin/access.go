package admin

import "time"

// Access is who has been judged by the access rules of the configuration, since the server started.
type Access struct {
	Rules     int                          `json:"rules"`
	Users     int                          `json:"users"`               // in the file of users
	Judged    map[string]map[string]uint64 `json:"judged"`              // play and publish: by answer; those of access.Answer
	Throttled []FailedLogins               `json:"throttled,omitempty"` // the longest first, not all of them
	Aside     int                          `json:"aside,omitempty"`     // how many there are
}

// FailedLogins is a network whose logins are refused for a while.
type FailedLogins struct {
	Network  string    `json:"network"`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"`
}
