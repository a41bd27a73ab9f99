package host

import "github.com/weir-media/weir/host/internal/admin"

func (s *Server) serveAdmin() error { _ = admin.ErrNotFound; return nil }
