package host

import (
	"net/netip"

	"github.com/weir-media/weir/host/internal/admin"
)

// serveAdmin opens the admin API where the configuration says.
func (s *Server) serveAdmin() error {
	a, err := admin.Open(admin.Options{
		Backend:   s,
		Exporter:  s.registry.Handler(),
		Socket:    s.config.Admin.Socket,
		Address:   addressText(s.config.Admin.Address),
		TokenFile: s.config.Admin.TokenFile,
		Metrics:   addressText(s.config.Metrics),
		Log:       s.log,
	})
	if err != nil {
		return err
	}
	s.admin = a
	return nil
}

func addressText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
