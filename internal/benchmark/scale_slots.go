package main

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// clusterSlots is how many hash slots a Redis Cluster has.
const clusterSlots = 16384

// slotOf returns the hash slot of a key: CRC16 (XMODEM) of what stands between its first
// braces, if something does, or of all of it.
func slotOf(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	return int(crc16(key)) % clusterSlots
}

func crc16(text string) (crc uint16) {
	for i := range len(text) {
		crc ^= uint16(text[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// slotShares is how the keys of sessions lie in a cluster.
type slotShares struct {
	busiest, idlest float64 // master: its part of the records
	fullest         int     // slot: records in it
	// nodes is how many masters the three keys of a session lie on, in the mean, and split
	// the part of the sessions whose scripts would be refused for keys in two slots.
	nodes, split float64
}

// sharesOf places the keys of n sessions on masters that share the slots evenly. Without a
// tag, the names have no braces.
func sharesOf(n, masters int, tagged bool, seed uint64) (s slotShares) {
	random := rand.New(rand.NewPCG(seed, 0))
	slots := make([]int, clusterSlots)
	records := make([]int, masters)
	places, split := 0, 0
	var digest [32]byte
	for range n {
		for i := range digest {
			digest[i] = byte(random.Uint32())
		}
		key := "caddy-spotify:" + hex.EncodeToString(digest[:])
		if tagged {
			key = "caddy-spotify:{" + hex.EncodeToString(digest[:]) + "}"
		}
		record, lease, fence := slotOf(key), slotOf(key+":lease"), slotOf(key+":fence")
		slots[record]++
		on := make(map[int]bool, 3)
		for _, slot := range []int{record, lease, fence} {
			on[slot*masters/clusterSlots] = true
		}
		records[record*masters/clusterSlots]++
		places += len(on)
		if lease != fence {
			split++
		}
	}
	s.idlest = 1
	for _, held := range records {
		s.busiest, s.idlest = max(s.busiest, float64(held)/float64(n)), min(s.idlest, float64(held)/float64(n))
	}
	for _, held := range slots {
		s.fullest = max(s.fullest, held)
	}
	s.nodes, s.split = float64(places)/float64(n), float64(split)/float64(n)
	return s
}
