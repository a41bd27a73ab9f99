package sdk

import "github.com/weir-media/weir/abi/v1"

// About gives what the operator says of the point of a DOCUMENT_REQUEST under a name, such as
// "author"; nil: nothing. The slice is a view of the event. It is safe for concurrent use as
// long as the event is not changed, as Title and HasGroup are.
func About(e *abi.DocumentRequest, name string) []byte {
	for f := range e.About.All() {
		if string(f.Name) == name {
			return f.Value
		}
	}
	return nil
}

// Title gives the operator's title of the point, or the point's name. The slice is a view of
// the event.
func Title(e *abi.DocumentRequest) []byte {
	if t := About(e, "title"); len(t) > 0 {
		return t
	}
	return e.Point.Name
}

// HasGroup reports whether the point is sent to a multicast group in this rendition.
func HasGroup(e *abi.DocumentRequest, rendition string) bool {
	for p := range e.Endpoints.All() {
		if p.Kind == abi.EndpointMulticast && string(p.Rendition) == rendition {
			return true
		}
	}
	return false
}
