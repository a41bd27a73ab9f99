package sdk

import (
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func TestDocumentRequest(t *testing.T) {
	var e abi.DocumentRequest
	e.Point.Name = []byte("live")
	if got := string(Title(&e)); got != "live" {
		t.Errorf("without a title it is called %q", got)
	}
	if About(&e, "title") != nil || HasGroup(&e, "msb") {
		t.Error("something is said of a point of which nothing is")
	}
	e.About.Add([]byte("author"), []byte("me"))
	e.About.Add([]byte("title"), []byte("The news"))
	e.Endpoints.Add(abi.Endpoint{Kind: abi.EndpointUnicast, Rendition: []byte("msb")})
	e.Endpoints.Add(abi.Endpoint{Kind: abi.EndpointMulticast, Rendition: []byte("rtp")})
	if got := string(Title(&e)); got != "The news" || string(About(&e, "author")) != "me" || About(&e, "abstract") != nil {
		t.Errorf("it is called %q", got)
	}
	if HasGroup(&e, "msb") || !HasGroup(&e, "rtp") {
		t.Error("its groups are others")
	}
}

func TestWords(t *testing.T) {
	if got := "no" + Because(nil) + Because([]byte("why")); got != "no: why" {
		t.Error(got)
	}
	if got := Quote([]byte("a\"b\n")); got != `"a\"b\n"` {
		t.Error(got)
	}
}
