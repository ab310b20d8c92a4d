package spotifytest

import (
	"math/rand/v2"
	"strings"
)

// artistNames are invented. Each is followed by its scene, an index of scenes.
var artistNames = []struct {
	name  string
	scene int
}{
	{"Paper Lantern Society", 0}, {"Ida Vance", 1}, {"Marlow and the Tide", 1}, {"Velvet Cartography", 2},
	{"Sunday Static Club", 3}, {"Juno Halloway", 4}, {"The Quiet Machinery", 5}, {"Ossian Reed", 1},
	{"Copperfield Radio", 6}, {"Mika Sørensby", 0}, {"Bright Harbour Kids", 6}, {"Low Orbit Choir", 5},
	{"Amara Lune", 4}, {"Glasshouse Weather", 0}, {"Tomás Arriaga", 7}, {"Polar Dialogue", 5},
	{"Nightjar Assembly", 3}, {"Hana Mori Trio", 8}, {"Wildflower Protocol", 2}, {"Lisboa Afterhours", 7},
	{"Delia Frostwick", 9}, {"Tin Roof Sinfonia", 9}, {"Ember Atlas", 2}, {"Kofi Adair", 10},
	{"Slow Comet", 0}, {"The Brass Cartographers", 8}, {"Maren Holtby", 1}, {"Violet Engine Room", 2},
	{"Sable & Finch", 1}, {"Okonjo Street Orchestra", 10}, {"Hollow Meridian", 6}, {"Petra Lindqvist-Oyelaran", 4},
	{"Cinder Parade", 6}, {"Midnight Greenhouse", 3}, {"Aurelio Campos", 7}, {"Fern Telegraph", 1},
	{"Zadie Moon-Carter", 4}, {"The Long Exposure", 6}, {"Kestrel Avenue", 0}, {"Yuki Amano Quartet", 8},
	{"Saffron Levels", 3}, {"Distant Carnival", 2}, {"Elodie Marchetti", 9}, {"Plum Blossom Line", 0},
	{"Ransom Lake", 1}, {"Concrete Orchard", 5}, {"Ngozi Bellweather", 10}, {"Seventh Floor Garden", 3},
	{"Theo Lockhart-Ray", 4}, {"Winter Semaphore", 5}, {"Coral Department", 2}, {"Blue Hour Institute", 8},
	{"Anselm Grey", 9}, {"Parallel Picnic", 6}, {"Isla Verdejo", 7}, {"Honey & Voltage", 3},
}

// scenes are groups of genres that go together.
var scenes = [][]string{
	{"dream pop", "shoegaze", "indie pop"},
	{"indie folk", "chamber folk", "singer-songwriter"},
	{"synthwave", "electropop", "nu disco"},
	{"downtempo", "lo-fi beats", "chillhop"},
	{"neo soul", "alternative r&b"},
	{"ambient", "post-rock", "electronica"},
	{"indie rock", "art rock"},
	{"bossa nova", "fado", "latin folk"},
	{"nu jazz", "contemporary jazz"},
	{"modern classical", "chamber pop"},
	{"afrobeat", "highlife", "afro-jazz"},
}

var (
	adjectives = strings.Fields("Golden Quiet Electric Hollow Paper Velvet Distant Northern Broken Slow Burning Silver Lonely Bright Borrowed Tender Crooked Salted Weightless Wild Faded Restless Amber Half-Remembered Unwritten Sleeping Gentle Hidden Early Last")
	nouns      = strings.Fields("River Harbour Lantern Orchard Satellite Window Letter Summer Mirror Compass Garden Signal Thunder Avenue Horizon Photograph Ember Tide Island Engine Sparrow Balcony Winter Carousel Lighthouse Meadow Telephone Midnight Staircase Radio Comet Umbrella Postcard Feather Tunnel Market")
	places     = []string{"Valparaíso", "Tromsø", "the Old Port", "Lagos", "Kyoto", "the Ring Road", "Porto", "Malmö", "the Corner Shop", "Trieste", "Platform Nine", "Oaxaca", "the Roof", "Reykjavík", "Elm Street", "the Ferry"}
	hours      = []string{"at Dawn", "at Noon", "After Midnight", "in the Rain", "in October", "Before the Storm", "on a Sunday", "in Slow Motion", "by Heart", "Without You"}
	verbs      = []string{"Waiting for", "Dancing with", "Letters to", "Leaving", "Falling for", "A Map of", "Sleeping Through", "Running Past", "Songs for", "Back to"}
	phrases    = []string{"Say It Slowly", "You Were Always Early", "Nobody Asked the Moon", "We Could Be Birds", "Keep the Light On", "Call Me from the Coast", "I Forgot My Umbrella Again", "Everything Is a Door", "Not Today, Not Ever", "The Long Way Home", "Tell the Others", "What the Water Kept", "Hold the Line", "Once More, with Rain", "How to Fold a City", "Half Past Forever", "Small Hours", "If I Could Whistle", "Count to Seven", "Please Don't Wake the Neighbours", "Everybody Left but Us", "Come Down Gently", "All My Maps Are Wrong", "Still Here"}
	labels     = []string{"Lantern & Co.", "Fjordlight Records", "Third Window", "Copper Kettle Sound", "Night Desk Recordings", "Bramble Hill", "Casa Amarela", "Seventh Floor"}
)

// songTitle invents a title for a track, or one short enough for an album.
func songTitle(rng *rand.Rand, album bool) string {
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	n := 7
	if album {
		n = 5
	}
	switch rng.IntN(n) {
	case 0:
		return pick(adjectives) + " " + pick(nouns)
	case 1:
		return pick(nouns) + " " + pick(hours)
	case 2:
		return pick(phrases)
	case 3:
		return pick(adjectives) + " " + pick(nouns) + "s"
	case 4:
		return "The " + pick(nouns) + " and the " + pick(nouns)
	case 5:
		return pick(verbs) + " " + pick(places)
	default:
		return pick(verbs) + " the " + pick(nouns)
	}
}
