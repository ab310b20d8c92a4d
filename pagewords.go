package caddyspotify

import (
	"net/http"
	"strconv"
	"strings"
)

// words are the texts of our pages in one language. Code gets English always:
// what it reads is the reason.
type words struct {
	Lang string // as in the lang attribute

	loggedIn, loggedOut, popup, somethingWrong string // titles
	GoOn, Home, Reason, PopupDone              string // what else there is to read
	loggedOutNote, logInAgain                  string
	logIn                                      string // the button, unless the reason has one
	reasons                                    map[string]reasonWords
	keys                                       *keyWords
}

// reasonWords say what a reason means to a person. Where there is no message,
// the problem's own, which is English, is shown.
type reasonWords struct{ title, message, action string }

var english = &words{
	Lang:           "en",
	loggedIn:       "You are logged in",
	loggedOut:      "You are logged out",
	loggedOutNote:  "Your session on this site has ended. At Spotify itself you may still be logged in.",
	logInAgain:     "Log in again",
	popup:          "This window is done",
	somethingWrong: "Something went wrong",
	GoOn:           "Go on",
	Home:           "Back to the start",
	Reason:         "Reason:",
	PopupDone:      "You can close it and go on where you were.",
	logIn:          "Log in with Spotify",
	keys:           englishKeys,
	reasons: map[string]reasonWords{
		reasonLoginCancelled:          {title: "You are not logged in", action: "Try again"},
		reasonLoginFailed:             {title: "The login did not work", action: "Try again"},
		reasonUserNotAllowlisted:      {title: "The login did not work", action: "Try again"},
		reasonLoginExpired:            {title: "This login has expired", action: "Start a new login"},
		reasonLoginLoop:               {title: "The login does not stick", action: "Try again"},
		reasonLoginRequired:           {title: "Please log in"},
		reasonReauthorizationRequired: {title: "Please log in"},
		reasonStoreUnavailable:        {title: "Please try again in a moment", action: "Try again"},
		reasonUpstreamUnavailable:     {title: "Please try again in a moment", action: "Try again"},
		reasonCrossSite:               {title: "Not from there"},
		reasonNotAllowed:              {title: "Not here"},
		reasonNotOwner:                {title: "Nothing was connected", action: "Try again"},
		reasonNotFound:                {title: "There is nothing here"},
		reasonWrongAccount:            {title: "No access key was created", action: "Back to the access keys"},
		reasonTooManyKeys:             {title: "No access key was created", action: "Back to the access keys"},
		wordingKeyCancelled:           {title: "No access key was created", action: "Back to the access keys"},
		wordingKeyLoggedOut:           {title: "No access key was created", action: "Back to the access keys"},
		wordingKeyNotRevoked:          {title: "The access key still works", action: "Back to the access keys"},
	},
}

var german = &words{
	Lang:           "de",
	loggedIn:       "Du bist angemeldet",
	loggedOut:      "Du bist abgemeldet",
	loggedOutNote:  "Deine Sitzung auf dieser Website ist beendet. Bei Spotify selbst bist du vielleicht noch angemeldet.",
	logInAgain:     "Wieder anmelden",
	popup:          "Dieses Fenster hat seinen Dienst getan",
	somethingWrong: "Etwas ist schiefgegangen",
	GoOn:           "Weiter",
	Home:           "Zur Startseite",
	Reason:         "Grund:",
	PopupDone:      "Du kannst es schließen und weitermachen, wo du warst.",
	logIn:          "Mit Spotify anmelden",
	keys:           germanKeys,
	reasons: map[string]reasonWords{
		reasonLoginCancelled: {
			"Du bist nicht angemeldet", "Du hast dieser App keinen Zugriff auf dein Spotify-Konto gegeben.", "Noch einmal versuchen",
		},
		reasonLoginFailed: {"Die Anmeldung hat nicht geklappt", "", "Noch einmal versuchen"},
		reasonUserNotAllowlisted: {
			"Die Anmeldung hat nicht geklappt",
			"Spotify lässt dieses Konto die App nicht benutzen. Solange sie im Entwicklungsmodus ist, muss ihr Besitzer das Konto in Spotifys Dashboard unter User Management eintragen.",
			"Noch einmal versuchen",
		},
		reasonLoginExpired: {
			"Diese Anmeldung ist abgelaufen",
			"In diesem Browser läuft diese Anmeldung nicht mehr. Vielleicht hat sie länger als zehn Minuten gedauert, oder sie begann in einem anderen Browser oder unter einer anderen Adresse.",
			"Neu anmelden",
		},
		reasonLoginLoop: {
			"Die Anmeldung bleibt nicht bestehen",
			"Du hast dich gerade erst angemeldet, aber dein Browser kam ohne eine gültige Sitzung wieder. Prüfe, ob er Cookies dieser Website annimmt, und versuche es dann noch einmal.",
			"Noch einmal versuchen",
		},
		reasonLoginRequired:           {title: "Bitte melde dich an", message: "Dafür musst du mit Spotify angemeldet sein."},
		reasonReauthorizationRequired: {title: "Bitte melde dich an", message: "Der Zugriff, den du auf Spotify gegeben hattest, ist zu Ende. Melde dich neu an."},
		reasonStoreUnavailable: {
			"Bitte versuche es gleich noch einmal", "Deine Sitzung ist gerade nicht erreichbar. Du bist nicht abgemeldet.", "Noch einmal versuchen",
		},
		reasonUpstreamUnavailable: {"Bitte versuche es gleich noch einmal", "Spotify ist gerade nicht erreichbar.", "Noch einmal versuchen"},
		reasonCrossSite:           {title: "Nicht von dort", message: "Anfragen von anderen Websites sind nicht erlaubt."},
		reasonNotAllowed:          {title: "Nicht hier", message: "Diesen Teil der Web API benutzt diese Website nicht."},
		reasonNotOwner:            {"Nichts wurde verbunden", "Das ist nicht das Konto, das diese Website zeigt. Nur sein Besitzer kann es verbinden.", "Noch einmal versuchen"},
		reasonNotFound:            {title: "Hier ist nichts"},
		reasonWrongAccount: {
			"Es wurde kein Zugriffsschlüssel angelegt",
			"Bei Spotify bist du mit einem anderen Konto angemeldet als hier. Versuche es noch einmal und wechsle das Konto, wenn Spotify fragt.",
			"Zurück zu den Zugriffsschlüsseln",
		},
		reasonTooManyKeys: {
			"Es wurde kein Zugriffsschlüssel angelegt",
			"Du hast so viele Zugriffsschlüssel, wie diese Website zulässt. Widerrufe einen, den du nicht brauchst.",
			"Zurück zu den Zugriffsschlüsseln",
		},
		wordingKeyCancelled: {
			"Es wurde kein Zugriffsschlüssel angelegt",
			"Du hast dieser App nicht noch einmal Zugriff auf dein Spotify-Konto gegeben.",
			"Zurück zu den Zugriffsschlüsseln",
		},
		wordingKeyLoggedOut: {
			"Es wurde kein Zugriffsschlüssel angelegt",
			"Du hast dich hier inzwischen abgemeldet oder mit einem anderen Konto angemeldet.",
			"Zurück zu den Zugriffsschlüsseln",
		},
		wordingKeyNotRevoked: {
			"Der Zugriffsschlüssel gilt noch",
			"Er konnte gerade nicht widerrufen werden. Versuche es gleich noch einmal.",
			"Zurück zu den Zugriffsschlüsseln",
		},
	},
}

// languages are those there are, the default first.
var languages = []*words{english, german}

// wordsFor returns the words in the language that a request likes best
// (RFC 9110 §12.5.4). Of regions there is no telling apart.
func wordsFor(r *http.Request) *words {
	best, bestWeight := languages[0], 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept-Language"], ","), ",") {
		tag, params, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		for _, w := range languages {
			if strings.EqualFold(primary, w.Lang) && weight > bestWeight && weight <= 1 {
				best, bestWeight = w, weight
			}
		}
	}
	return best
}
