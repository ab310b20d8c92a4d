package spotifytest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

var playerRoutes = []route{
	{pattern: "GET /v1/me/player", scopes: "user-read-playback-state", serve: (*call).playbackState},
	{pattern: "PUT /v1/me/player", scopes: "user-modify-playback-state", serve: (*call).transferPlayback},
	{pattern: "GET /v1/me/player/currently-playing", scopes: "user-read-currently-playing", serve: (*call).currentlyPlaying},
	{pattern: "GET /v1/me/player/devices", scopes: "user-read-playback-state", serve: (*call).devices},
	{pattern: "GET /v1/me/player/recently-played", scopes: "user-read-recently-played", serve: (*call).recentlyPlayed},
	{pattern: "GET /v1/me/player/queue", scopes: "user-read-playback-state user-read-currently-playing", serve: (*call).queue},
	{pattern: "POST /v1/me/player/queue", scopes: "user-modify-playback-state", serve: (*call).addToQueue},
	{pattern: "PUT /v1/me/player/play", scopes: "user-modify-playback-state", serve: (*call).play},
	{pattern: "PUT /v1/me/player/pause", scopes: "user-modify-playback-state", serve: (*call).pause},
	{pattern: "POST /v1/me/player/next", scopes: "user-modify-playback-state", serve: command((*player).next)},
	{pattern: "POST /v1/me/player/previous", scopes: "user-modify-playback-state", serve: command((*player).previous)},
	{pattern: "PUT /v1/me/player/seek", scopes: "user-modify-playback-state", serve: (*call).seek},
	{pattern: "PUT /v1/me/player/volume", scopes: "user-modify-playback-state", serve: (*call).volume},
	{pattern: "PUT /v1/me/player/shuffle", scopes: "user-modify-playback-state", serve: (*call).shuffle},
	{pattern: "PUT /v1/me/player/repeat", scopes: "user-modify-playback-state", serve: (*call).repeat},
}

var errRestriction = &apiError{Status: http.StatusForbidden, Message: "Player command failed: Restriction violated", Reason: "UNKNOWN"}

type deviceObject struct {
	ID               string `json:"id"`
	IsActive         bool   `json:"is_active"`
	IsPrivateSession bool   `json:"is_private_session"`
	IsRestricted     bool   `json:"is_restricted"`
	Name             string `json:"name"`
	Type             string `json:"type"`
	VolumePercent    int    `json:"volume_percent"`
	SupportsVolume   bool   `json:"supports_volume"`
}

type contextObject struct {
	Type         string       `json:"type"`
	Href         string       `json:"href"`
	ExternalURLs externalURLs `json:"external_urls"`
	URI          string       `json:"uri"`
}

type nowPlaying struct {
	Timestamp            int64          `json:"timestamp"`
	Context              *contextObject `json:"context"`
	ProgressMS           int64          `json:"progress_ms"`
	Item                 any            `json:"item"`
	CurrentlyPlayingType string         `json:"currently_playing_type"`
	IsPlaying            bool           `json:"is_playing"`
	Actions              actions        `json:"actions"`
}

type actions struct {
	Disallows map[string]bool `json:"disallows"`
}

type playback struct {
	Device       deviceObject `json:"device"`
	RepeatState  string       `json:"repeat_state"`
	ShuffleState bool         `json:"shuffle_state"`
	SmartShuffle bool         `json:"smart_shuffle"`
	nowPlaying
}

type playHistory struct {
	Track    fullTrack      `json:"track"`
	PlayedAt string         `json:"played_at"`
	Context  *contextObject `json:"context"`
}

// withPlayer runs f on the user's player, brought to the present.
func (c *call) withPlayer(f func(*player) (any, *apiError)) (any, *apiError) {
	l := c.s.library
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.shelves[c.user.ID].player
	p.sync(l.now())
	return f(p)
}

// withActive is withPlayer for commands: they need a premium account and an
// active device, or one named by device_id.
func (c *call) withActive(f func(*player) *apiError) (any, *apiError) {
	return c.withPlayer(func(p *player) (any, *apiError) {
		if c.user.Product != "premium" {
			return nil, errPremium
		}
		if id := c.r.URL.Query().Get("device_id"); id != "" {
			d := p.device(id)
			if d == nil {
				return nil, &apiError{Status: http.StatusNotFound, Message: "Device not found"}
			}
			p.active = d
		}
		if p.active == nil {
			return nil, errNoDevice
		}
		return nil, f(p)
	})
}

func command(f func(*player)) endpoint {
	return func(c *call) (any, *apiError) {
		return c.withActive(func(p *player) *apiError { f(p); return nil })
	}
}

func (p *player) deviceObject(d *device) deviceObject {
	return deviceObject{ID: d.id, IsActive: d == p.active, IsPrivateSession: d.private, Name: d.name, Type: d.kind, VolumePercent: d.volume, SupportsVolume: true}
}

func (o origins) context(uri string) *contextObject {
	parts := strings.Split(uri, ":")
	if len(parts) != 3 {
		return nil
	}
	return &contextObject{Type: parts[1], Href: o.api + "/v1/" + parts[1] + "s/" + parts[2], ExternalURLs: openURL(parts[1], parts[2]), URI: uri}
}

func (c *call) nowPlaying(p *player) nowPlaying {
	o := c.s.origins()
	n := nowPlaying{
		Timestamp: p.since.UnixMilli(), Context: o.context(p.context), ProgressMS: p.progress.Milliseconds(),
		CurrentlyPlayingType: "track", IsPlaying: p.playing, Actions: actions{map[string]bool{"pausing": true}},
	}
	if p.playing {
		n.Actions.Disallows = map[string]bool{"resuming": true}
	}
	if t := p.item(); t != nil {
		full := o.fullTrack(t)
		n.Item = &full
	}
	p.interlude.show(&n, strings.Contains(c.r.URL.Query().Get("additional_types"), "episode"))
	return n
}

func (c *call) playbackState() (any, *apiError) {
	return c.withPlayer(func(p *player) (any, *apiError) {
		if p.active == nil {
			return nil, nil
		}
		return playback{Device: p.deviceObject(p.active), RepeatState: p.repeat, ShuffleState: p.shuffle, nowPlaying: c.nowPlaying(p)}, nil
	})
}

func (c *call) currentlyPlaying() (any, *apiError) {
	return c.withPlayer(func(p *player) (any, *apiError) {
		if p.active == nil {
			return nil, nil
		}
		return c.nowPlaying(p), nil
	})
}

func (c *call) devices() (any, *apiError) {
	return c.withPlayer(func(p *player) (any, *apiError) {
		list := []deviceObject{}
		for _, d := range p.devices {
			list = append(list, p.deviceObject(d))
		}
		return map[string]any{"devices": list}, nil
	})
}

func (c *call) recentlyPlayed() (any, *apiError) {
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	q := c.r.URL.Query()
	if q.Has("after") && q.Has("before") {
		return nil, badRequest("Only one of before and after may be given")
	}
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	if q.Has("before") && err != nil {
		return nil, badRequest("Invalid before")
	}
	after, err := strconv.ParseInt(q.Get("after"), 10, 64)
	if q.Has("after") && err != nil {
		return nil, badRequest("Invalid after")
	}
	return c.withPlayer(func(p *player) (any, *apiError) {
		o := c.s.origins()
		out := cursorPaging{Href: c.again(), Limit: pg.limit, Items: []any{}}
		var last int64
		more := false
		for _, entry := range p.recent {
			at := entry.at.UnixMilli()
			if before != 0 && at >= before || at <= after {
				continue
			}
			if len(out.Items) == pg.limit {
				more = true
				break
			}
			if out.Cursors == nil {
				first := strconv.FormatInt(at, 10)
				out.Cursors = &cursors{After: &first}
			}
			last = at
			out.Items = append(out.Items, playHistory{o.fullTrack(entry.track), entry.at.UTC().Format("2006-01-02T15:04:05.000Z"), o.context(entry.context)})
		}
		if out.Cursors != nil {
			end := strconv.FormatInt(last, 10)
			out.Cursors.Before = &end
			if more {
				next := c.self() + "?before=" + end + "&limit=" + strconv.Itoa(pg.limit)
				out.Next = &next
			}
		}
		return out, nil
	})
}

func (c *call) queue() (any, *apiError) {
	return c.withPlayer(func(p *player) (any, *apiError) {
		o := c.s.origins()
		out := struct {
			CurrentlyPlaying *fullTrack  `json:"currently_playing"`
			Queue            []fullTrack `json:"queue"`
		}{Queue: []fullTrack{}}
		if t := p.item(); t != nil && p.active != nil {
			full := o.fullTrack(t)
			out.CurrentlyPlaying = &full
			for _, t := range p.upcoming(20) {
				out.Queue = append(out.Queue, o.fullTrack(t))
			}
		}
		return out, nil
	})
}

func (c *call) addToQueue() (any, *apiError) {
	t := theCatalog().trackURI(c.r.URL.Query().Get("uri"))
	if t == nil {
		return nil, badRequest("Invalid track uri: " + c.r.URL.Query().Get("uri"))
	}
	return c.withActive(func(p *player) *apiError {
		p.queue = append(p.queue, t)
		return nil
	})
}

func (c *call) transferPlayback() (any, *apiError) {
	var body struct {
		DeviceIDs []string `json:"device_ids"`
		Play      *bool    `json:"play"`
	}
	if e := c.decode(&body, true); e != nil {
		return nil, e
	}
	if len(body.DeviceIDs) != 1 {
		return nil, badRequest("Exactly one device_id must be provided")
	}
	return c.withPlayer(func(p *player) (any, *apiError) {
		if c.user.Product != "premium" {
			return nil, errPremium
		}
		d := p.device(body.DeviceIDs[0])
		if d == nil {
			return nil, &apiError{Status: http.StatusNotFound, Message: "Device not found"}
		}
		p.active = d
		if body.Play != nil && *body.Play {
			p.playing = p.item() != nil
		}
		return nil, nil
	})
}

func (c *call) play() (any, *apiError) {
	var body struct {
		ContextURI string   `json:"context_uri"`
		URIs       []string `json:"uris"`
		Offset     *struct {
			Position *int   `json:"position"`
			URI      string `json:"uri"`
		} `json:"offset"`
		PositionMS int `json:"position_ms"`
	}
	if e := c.decode(&body, false); e != nil {
		return nil, e
	}
	return c.withActive(func(p *player) *apiError {
		if body.ContextURI == "" && len(body.URIs) == 0 {
			if p.playing || p.item() == nil {
				return errRestriction
			}
			p.playing = true
			return nil
		}
		tracks, e := c.playable(body.ContextURI, body.URIs)
		if e != nil {
			return e
		}
		index := 0
		if o := body.Offset; o != nil && o.Position != nil {
			index = *o.Position
		} else if o != nil && o.URI != "" {
			for i, t := range tracks {
				if "spotify:track:"+t.id == o.URI {
					index = i
				}
			}
		}
		if index < 0 || index >= len(tracks) {
			return badRequest("Invalid offset")
		}
		p.start(body.ContextURI, tracks, index, time.Duration(body.PositionMS)*time.Millisecond)
		return nil
	})
}

// playable are the tracks of a context or of a list of URIs. The library is locked.
func (c *call) playable(context string, uris []string) ([]*track, *apiError) {
	cat := theCatalog()
	var tracks []*track
	for _, uri := range uris {
		t := cat.trackURI(uri)
		if t == nil {
			return nil, badRequest("Invalid track uri: " + uri)
		}
		tracks = append(tracks, t)
	}
	if context == "" {
		return tracks, nil
	}
	parts := strings.Split(context, ":")
	if len(parts) != 3 || parts[0] != "spotify" {
		return nil, badRequest("Invalid context uri")
	}
	switch id := parts[2]; {
	case parts[1] == "album" && cat.albumBy[id] != nil:
		tracks = cat.albumBy[id].tracks
	case parts[1] == "artist" && cat.artistBy[id] != nil:
		tracks = cat.artistBy[id].topTracks(10)
	case parts[1] == "playlist" && c.s.library.playlists[id] != nil:
		tracks = c.s.library.playlists[id].tracks()
	default:
		return nil, &apiError{Status: http.StatusNotFound, Message: "Context not found"}
	}
	return tracks, nil
}

func (c *call) pause() (any, *apiError) {
	return c.withActive(func(p *player) *apiError {
		if !p.playing {
			return errRestriction
		}
		p.playing = false
		return nil
	})
}

func (c *call) seek() (any, *apiError) {
	ms, err := strconv.Atoi(c.r.URL.Query().Get("position_ms"))
	if err != nil || ms < 0 {
		return nil, badRequest("Invalid position_ms")
	}
	return c.withActive(func(p *player) *apiError {
		p.progress = time.Duration(ms) * time.Millisecond
		p.sync(p.since) // past the end is the next track
		return nil
	})
}

func (c *call) volume() (any, *apiError) {
	percent, err := strconv.Atoi(c.r.URL.Query().Get("volume_percent"))
	if err != nil || percent < 0 || percent > 100 {
		return nil, badRequest("Invalid volume_percent")
	}
	return c.withActive(func(p *player) *apiError { p.active.volume = percent; return nil })
}

func (c *call) shuffle() (any, *apiError) {
	state := c.r.URL.Query().Get("state")
	if state != "true" && state != "false" {
		return nil, badRequest("Invalid state")
	}
	return c.withActive(func(p *player) *apiError { p.shuffle = state == "true"; return nil })
}

func (c *call) repeat() (any, *apiError) {
	state := c.r.URL.Query().Get("state")
	switch state {
	case "off", "context", "track":
	default:
		return nil, badRequest("Invalid state")
	}
	return c.withActive(func(p *player) *apiError { p.repeat = state; return nil })
}
