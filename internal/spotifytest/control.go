package spotifytest

import "net/http"

func (s *Server) controlMux() http.Handler { return http.NewServeMux() }
