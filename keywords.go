package caddyspotify

// keyWords are the texts of the page about access keys.
type keyWords struct {
	Title, Intro, IntroFor string
	// The list.
	List, None, Name, Created, Expires, Used, Never, May, MayAll, Scopes, NoScopes string
	Revoke, RevokeSure, RevokeNow                                                  string
	// The form.
	New, Full, NameHint, Life, Access, AccessAll, AccessRead, AccessRules, Rules, RulesHint, Create, CreateHint string
	// What is wrong with what was entered.
	Wrong, BadName, BadLife, BadAccess, NoRules, LongRules, BadRules string
	// A key that was created.
	Done, Once, Your, Use, Base, Try, Back string

	day, days, hour, hours, minute, minutes string
}

// What pages say of problems with access keys that share their reason with others.
const (
	wordingKeyCancelled  = "key_cancelled"
	wordingKeyLoggedOut  = "key_logged_out"
	wordingKeyNotRevoked = "key_not_revoked"
)

var englishKeys = &keyWords{
	Title:    "Access keys",
	Intro:    "A program that sends one of these keys can use Spotify through this site as you, without your password and without this browser. Treat a key like a password.",
	IntroFor: "Account:",

	List: "Your keys", None: "You have no access keys.",
	Name: "Name", Created: "Created", Expires: "Expires", Used: "Last used", Never: "never",
	May: "May do", MayAll: "everything that this site allows", Scopes: "Scopes", NoScopes: "none, so public data only",
	Revoke: "Revoke", RevokeSure: "Programs that use this key stop working at once.", RevokeNow: "Revoke for good",

	New: "Create a key", Full: "You have as many keys as this site lets you have. Revoke one to create another.",
	NameHint: "What the key is for, so that you know it again: “backup script”, for example.",
	Life:     "Works for", Access: "What it may do",
	AccessAll: "Everything that this site allows", AccessRead: "Read only", AccessRules: "Only what I list:",
	Rules:     "Requests that the key may make",
	RulesHint: "One rule a line: methods, if not all, and paths. * stands for a segment, and at the end for all that follows. For example: GET /v1/me /v1/me/playlists",
	Create:    "Create the key", CreateHint: "You come by Spotify on the way, which gives the key an access of its own. As a rule it asks nothing.",

	Wrong:     "The key was not created.",
	BadName:   "Give the key a name of at most 60 letters, digits and other plain characters.",
	BadLife:   "Choose one of the times in the list.",
	BadAccess: "Choose what the key may do.",
	NoRules:   "List what the key may do, or choose another access.",
	LongRules: "The list is too long: it may have 900 characters. Use * for what belongs together.",
	BadRules:  "The list of what the key may do has a mistake.",

	Done: "Your new key", Once: "Copy it now: it is not shown again, and this site cannot tell it to you later.",
	Your: "Key of", Use: "How to use it",
	Base: "Give your program this address in place of https://api.spotify.com/v1/, and the key in place of a token:",
	Try:  "Or try it in a terminal, with the key in SPOTIFY_KEY:",
	Back: "I have copied it: to my keys",

	day: "day", days: "days", hour: "hour", hours: "hours", minute: "minute", minutes: "minutes",
}

var germanKeys = &keyWords{
	Title:    "Zugriffsschlüssel",
	Intro:    "Ein Programm, das einen dieser Schlüssel sendet, kann über diese Website Spotify in deinem Namen benutzen, ohne dein Passwort und ohne diesen Browser. Behandle einen Schlüssel wie ein Passwort.",
	IntroFor: "Konto:",

	List: "Deine Schlüssel", None: "Du hast keine Zugriffsschlüssel.",
	Name: "Name", Created: "Angelegt", Expires: "Läuft ab", Used: "Zuletzt benutzt", Never: "nie",
	May: "Darf", MayAll: "alles, was diese Website erlaubt", Scopes: "Scopes", NoScopes: "keine, also nur öffentliche Daten",
	Revoke: "Widerrufen", RevokeSure: "Programme, die diesen Schlüssel benutzen, funktionieren dann sofort nicht mehr.", RevokeNow: "Endgültig widerrufen",

	New: "Schlüssel anlegen", Full: "Du hast so viele Schlüssel, wie diese Website zulässt. Widerrufe einen, um einen anderen anzulegen.",
	NameHint: "Wofür der Schlüssel ist, damit du ihn wiedererkennst, zum Beispiel „Backup-Skript“.",
	Life:     "Gilt für", Access: "Was er darf",
	AccessAll: "Alles, was diese Website erlaubt", AccessRead: "Nur lesen", AccessRules: "Nur, was ich aufzähle:",
	Rules:     "Anfragen, die mit dem Schlüssel gestellt werden dürfen",
	RulesHint: "Eine Regel je Zeile: Methoden, falls nicht alle, und Pfade. * steht für einen Abschnitt und am Ende für alles, was folgt. Zum Beispiel: GET /v1/me /v1/me/playlists",
	Create:    "Schlüssel anlegen", CreateHint: "Unterwegs kommst du bei Spotify vorbei, das dem Schlüssel einen eigenen Zugriff gibt. In der Regel fragt es nichts.",

	Wrong:     "Der Schlüssel wurde nicht angelegt.",
	BadName:   "Gib dem Schlüssel einen Namen aus höchstens 60 Buchstaben, Ziffern und anderen einfachen Zeichen.",
	BadLife:   "Wähle eine der Zeiten aus der Liste.",
	BadAccess: "Wähle, was der Schlüssel darf.",
	NoRules:   "Zähle auf, was der Schlüssel darf, oder wähle einen anderen Zugriff.",
	LongRules: "Die Aufzählung ist zu lang: Sie darf 900 Zeichen haben. Fasse mit * zusammen, was zusammengehört.",
	BadRules:  "In der Aufzählung dessen, was der Schlüssel darf, ist ein Fehler.",

	Done: "Dein neuer Schlüssel", Once: "Kopiere ihn jetzt: Er wird nicht noch einmal gezeigt, und diese Website kann ihn dir später nicht nennen.",
	Your: "Schlüssel", Use: "So benutzt du ihn",
	Base: "Gib deinem Programm diese Adresse anstelle von https://api.spotify.com/v1/ und den Schlüssel anstelle eines Tokens:",
	Try:  "Oder probiere ihn in einem Terminal aus, mit dem Schlüssel in SPOTIFY_KEY:",
	Back: "Ich habe ihn kopiert: zu meinen Schlüsseln",

	day: "Tag", days: "Tage", hour: "Stunde", hours: "Stunden", minute: "Minute", minutes: "Minuten",
}
