package spotifytest

import "fmt"

// The objects of the Web API, as stock clients expect them.

type externalURLs struct {
	Spotify string `json:"spotify"`
}

type followers struct {
	Href  *string `json:"href"`
	Total int     `json:"total"`
}

type imageObject struct {
	URL    string `json:"url"`
	Height *int   `json:"height"`
	Width  *int   `json:"width"`
}

type simpleArtist struct {
	ExternalURLs externalURLs `json:"external_urls"`
	Href         string       `json:"href"`
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Type         string       `json:"type"`
	URI          string       `json:"uri"`
}

type fullArtist struct {
	simpleArtist
	Followers  *followers    `json:"followers,omitempty"`
	Genres     []string      `json:"genres"`
	Images     []imageObject `json:"images"`
	Popularity *int          `json:"popularity,omitempty"`
}

type simpleAlbum struct {
	AlbumType            string         `json:"album_type"`
	TotalTracks          int            `json:"total_tracks"`
	AvailableMarkets     []string       `json:"available_markets,omitempty"`
	ExternalURLs         externalURLs   `json:"external_urls"`
	Href                 string         `json:"href"`
	ID                   string         `json:"id"`
	Images               []imageObject  `json:"images"`
	Name                 string         `json:"name"`
	ReleaseDate          string         `json:"release_date"`
	ReleaseDatePrecision string         `json:"release_date_precision"`
	Type                 string         `json:"type"`
	URI                  string         `json:"uri"`
	Artists              []simpleArtist `json:"artists"`
	AlbumGroup           string         `json:"album_group,omitempty"`
}

type fullAlbum struct {
	simpleAlbum
	Tracks      paging            `json:"tracks"`
	Copyrights  []copyright       `json:"copyrights"`
	ExternalIDs map[string]string `json:"external_ids"`
	Genres      []string          `json:"genres"`
	Label       string            `json:"label"`
	Popularity  *int              `json:"popularity,omitempty"`
}

type copyright struct {
	Text string `json:"text"`
	Type string `json:"type"`
}

type simpleTrack struct {
	Artists          []simpleArtist `json:"artists"`
	AvailableMarkets []string       `json:"available_markets,omitempty"`
	DiscNumber       int            `json:"disc_number"`
	DurationMS       int            `json:"duration_ms"`
	Explicit         bool           `json:"explicit"`
	ExternalURLs     externalURLs   `json:"external_urls"`
	Href             string         `json:"href"`
	ID               string         `json:"id"`
	IsLocal          bool           `json:"is_local"`
	IsPlayable       bool           `json:"is_playable"`
	Name             string         `json:"name"`
	PreviewURL       *string        `json:"preview_url"`
	TrackNumber      int            `json:"track_number"`
	Type             string         `json:"type"`
	URI              string         `json:"uri"`
}

type fullTrack struct {
	simpleTrack
	Album       simpleAlbum       `json:"album"`
	ExternalIDs map[string]string `json:"external_ids"`
	Popularity  *int              `json:"popularity,omitempty"`
	Episode     bool              `json:"episode"`
	Track       bool              `json:"track"`
}

// markets is where everything can be played.
var markets = []string{"AR", "AU", "BR", "CA", "DE", "ES", "FR", "GB", "JP", "NG", "PL", "PT", "SE", "US"}

// origins make the absolute links of objects, and leave out what apps in
// development mode are not told.
type origins struct {
	api, image  string
	development bool
}

func (s *Server) origins() origins {
	return origins{api: s.apiURL(), image: s.imageURL(), development: s.opts.Mode == Development}
}

// followed, popularity and markets are nil in development mode.
func (o origins) followed(by int) *followers {
	if o.development {
		return nil
	}
	return &followers{Total: by}
}

func (o origins) popularity(n int) *int {
	if o.development {
		return nil
	}
	return &n
}

func (o origins) markets() []string {
	if o.development {
		return nil
	}
	return markets
}

func openURL(kind, id string) externalURLs {
	return externalURLs{"https://open.spotify.com/" + kind + "/" + id}
}

// images lists a picture in the sizes that Spotify offers.
func (o origins) images(cover string) []imageObject {
	list := make([]imageObject, 0, len(coverSizes))
	for _, size := range coverSizes {
		list = append(list, imageObject{URL: fmt.Sprintf("%s/image/%04d%s", o.image, size, cover), Height: &size, Width: &size})
	}
	return list
}

func (o origins) artist(a *artist) simpleArtist {
	return simpleArtist{
		ExternalURLs: openURL("artist", a.id), Href: o.api + "/v1/artists/" + a.id,
		ID: a.id, Name: a.name, Type: "artist", URI: "spotify:artist:" + a.id,
	}
}

func (o origins) fullArtist(a *artist) fullArtist {
	return fullArtist{
		simpleArtist: o.artist(a), Followers: o.followed(a.followers),
		Genres: a.genres, Images: o.images(a.cover), Popularity: o.popularity(a.popularity),
	}
}

func (o origins) album(al *album) simpleAlbum {
	return simpleAlbum{
		AlbumType: al.kind, TotalTracks: len(al.tracks), AvailableMarkets: o.markets(),
		ExternalURLs: openURL("album", al.id), Href: o.api + "/v1/albums/" + al.id, ID: al.id,
		Images: o.images(al.cover), Name: al.name, ReleaseDate: al.date, ReleaseDatePrecision: "day",
		Type: "album", URI: "spotify:album:" + al.id, Artists: []simpleArtist{o.artist(al.artist)},
	}
}

func (o origins) fullAlbum(al *album) fullAlbum {
	first := page{limit: 50}
	return fullAlbum{
		simpleAlbum: o.album(al),
		Tracks:      listPage(first, o.api+"/v1/albums/"+al.id+"/tracks", nil, al.tracks, func(t *track) any { return o.track(t) }),
		Copyrights:  []copyright{{"℗ " + al.date[:4] + " " + al.label, "P"}},
		ExternalIDs: map[string]string{"upc": "00" + al.tracks[0].isrc[5:]},
		Genres:      []string{}, Label: al.label, Popularity: o.popularity(al.popularity),
	}
}

func (o origins) track(t *track) simpleTrack {
	st := simpleTrack{
		AvailableMarkets: o.markets(), DiscNumber: 1, DurationMS: t.duration, Explicit: t.explicit,
		ExternalURLs: openURL("track", t.id), Href: o.api + "/v1/tracks/" + t.id, ID: t.id, IsPlayable: true,
		Name: t.name, TrackNumber: t.number, Type: "track", URI: "spotify:track:" + t.id,
	}
	for _, a := range t.artists {
		st.Artists = append(st.Artists, o.artist(a))
	}
	return st
}

func (o origins) fullTrack(t *track) fullTrack {
	return fullTrack{
		simpleTrack: o.track(t), Album: o.album(t.album),
		ExternalIDs: map[string]string{"isrc": t.isrc}, Popularity: o.popularity(t.popularity), Track: true,
	}
}
