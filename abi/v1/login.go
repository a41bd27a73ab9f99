package abi

// LoginFor says what a peer wants to do at a point.
type LoginFor uint16

// What a peer may want.
const (
	LoginPlay    LoginFor = 0
	LoginPublish LoginFor = 1
)

// Login has the host judge a peer that its plugin speaks with by a protocol of its own,
// such as RTSP; LOGGED answers.
type Login struct {
	Point         []byte
	For           LoginFor
	Method        []byte // the request's verb
	URI           []byte // as the request names it
	Authorization []byte // the value of that field; empty: the peer sent none
}

// Logged answers LOGIN. Code is OK, EAUTH (send Fields with a 401), EPERM or EAGAIN.
type Logged struct {
	Head
	Code   Code
	User   []byte // with OK; empty: nobody need log in
	Fields Fields // with EAUTH: WWW-Authenticate, one for each way to log in
	Text   []byte // for people
}

// Op names the record.
func (*Logged) Op() Op { return OpLogged }

func (r *Logged) visit(c *coder) {
	r.Head.visit(c)
	c.i32((*int32)(&r.Code))
	c.bytes(&r.User)
	r.Fields.visit(c)
	c.bytes(&r.Text)
}

// Op names the record.
func (*Login) Op() Op { return OpLogin }

func (r *Login) visit(c *coder) {
	c.bytes(&r.Point)
	c.u16((*uint16)(&r.For))
	c.bytes(&r.Method)
	c.bytes(&r.URI)
	c.bytes(&r.Authorization)
}
