package sdktest

import (
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// parrot sends each datagram back, and does what a datagram says.
func parrot(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	d, ok := e.(*abi.Datagrams)
	if !ok {
		return nil
	}
	at := d.Offset
	for n := range d.Datagrams.All() {
		p := v.Pieces()
		p.Input(at, int(n.Size))
		v.Send(1, p)
		at += uint64(n.Size)
	}
	switch sdk.String(d.Bytes) {
	case "consume":
		v.Consume(1, at)
	case "need":
		v.Need(1, 1)
	case "retain":
		v.Retain(1, d.Offset)
	case "back":
		p := v.Pieces()
		p.Input(0, 6)
		v.Send(1, p)
	case "late":
		v.Retain(1, 0)
	case "through":
		v.FeedThrough(1)
	case "long":
		p := v.Pieces()
		p.Literal(make([]byte, abi.MaxDatagram+1))
		v.Send(1, p)
	}
	return nil
}

func TestDatagrams(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"> datagrams \"one\" \"\" \"three\" lost=2\n! SEND conn=1 pieces={kind=input offset=0 length=3}\n! SEND\n! SEND\n!!\n< \"onethree\"\n", ""},
		{"> datagrams \"retain\"\n> datagrams \"back\"\n< \"backretain\"\n", ""},
		{"> datagrams \"through\"\n> datagrams \"on\" \"ward\"\n!!\n< \"onward\"\n", ""},
		{"> datagrams \"before\"\n> datagrams \"back\"\n", "lies outside the input held"},
		{"> datagrams \"before\"\n> datagrams \"late\"\n", "was let go"},
		{"> datagrams \"consume\"\n", "consumed by being delivered"},
		{"> datagrams \"need\"\n", "one by one"},
		{"> datagrams \"long\"\n", "65508 bytes are no datagram"},
		{"> datagrams lost=x\n", "lost"},
	} {
		err := Check([]byte(c.script), Native(sdk.New(nil, parrot)))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v, want %q", c.script, err, c.want)
		}
	}
}
