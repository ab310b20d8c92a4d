#!/bin/sh
# Gets an access key for this machine and prints it: the person who runs this enters a code on
# another device. Needs curl and nothing else. Usage: spotify-key.sh https://app.example.com/spotify
set -eu
base=${1:?usage: $0 https://app.example.com/spotify [name]}
name=${2:-"Command line on $(uname -n)"}

# The responses are JSON on one line, and these values have no quotes in them.
value() { printf '%s\n' "$response" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

response=$(curl -sS --data-urlencode "client_name=$name" "$base/device")
device_code=$(value device_code)
if [ -z "$device_code" ]; then
	echo "$response" >&2
	exit 1
fi
echo "Open $(value verification_uri) and enter $(value user_code)" >&2
interval=$(value interval)

while sleep "$interval"; do
	# The code goes in by standard input: others can see the arguments of a command.
	response=$(printf 'grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=%s' "$device_code" |
		curl -sS --data-binary @- "$base/device/token") || continue
	case $(value error) in
	authorization_pending | '{'*) ;; # not yet, or the site is restarting
	slow_down) interval=$((interval + 5)) ;;
	'') value access_token && exit ;;
	*) echo "$response" >&2 && exit 1 ;;
	esac
done
