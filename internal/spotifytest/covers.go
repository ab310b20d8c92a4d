package spotifytest

func avatarDataURI(u *User) string { return "data:," }

func (s *Server) avatarImages(u *User) []image { return []image{} }
