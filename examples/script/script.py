"""Lists somebody's top artists and playlists, with an access key in place of a token.

    pip install spotipy
    SPOTIFY_KEY=... python script.py
"""

import os
import sys

import spotipy

key = os.environ.get("SPOTIFY_KEY")
if not key:
    sys.exit("SPOTIFY_KEY is not set: create a key at http://127.0.0.1:8080/spotify/keys")

# The key goes where a token would, and the prefix is the proxy's. All else is as ever.
sp = spotipy.Spotify(auth=key)
sp.prefix = os.environ.get("SPOTIFY_BASE", "http://127.0.0.1:8080/spotify/v1/")

print("Top artists")
for artist in sp.current_user_top_artists(limit=5)["items"]:
    print(" ", artist["name"])

lists = sp.current_user_playlists()
print(lists["total"], "playlists")
while lists:
    for playlist in lists["items"]:
        print(f"  {playlist['name']}, by {playlist['owner']['display_name']}")
    # The link to the next page leads to the proxy, too.
    lists = sp.next(lists)
