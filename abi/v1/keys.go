package abi

// MaxKey is the most bytes of a session's key, MaxKeys how many keys a session may have.
const (
	MaxKey  = 255
	MaxKeys = 4
)

// BindKey registers the session under a key of the plugin, so that a later request can
// join it. With a key it outlives its request.
type BindKey struct {
	Key  []byte // 1 to MaxKey bytes
	Keep int64  // ns for which the session stays while it has no request; more than 0
}

// JoinKey moves the request that the event brought, unanswered, to the session with
// that key, which is told of it. The session that says so ends. It stands alone in its
// batch.
type JoinKey struct{ Key []byte }

// Op names the record.
func (*BindKey) Op() Op { return OpBindKey }

func (r *BindKey) visit(c *coder) {
	c.bytes(&r.Key)
	c.i64(&r.Keep)
}

// Op names the record.
func (*JoinKey) Op() Op { return OpJoinKey }

func (r *JoinKey) visit(c *coder) { c.bytes(&r.Key) }
