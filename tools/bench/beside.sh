# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Real clients beside a flood from forged sources. To be sourced behind tools/lab.sh, by a script whose
# server has /small and /large and answers / from userspace.
#
#	beside /large 1000000 3
#	echo "$flooded"	the flood's line
#	echo "$kept"	percent of the clients' requests that got their answers, meanwhile, and a second
#			before and after

beside_clients=

# beside_client PATH RATE SECONDS: one that repeats nothing.
beside_client() {
	beside_out=$LAB_DIR/beside$((beside_number = beside_number + 1))
	lab_start_client "$LAB_BUILD/coax-bench" socket --destination "$LAB_SERVER_4" --path "$1" \
		--rate "$2" --sockets 4 --window 64 --seconds "$3" >"$beside_out"
	beside_clients="$beside_clients $LAB_PID:$beside_out"
}

# What they were answered, as they should be.
beside_count() {
	answered=0
	asked=0
	for beside_one in $beside_clients; do
		wait "${beside_one%%:*}" || return 1
		line=$(cat "${beside_one#*:}")
		echo "# $line"
		answered=$((answered + $(lab_field replies "$line")))
		asked=$((asked + $(lab_field sent "$line")))
	done
	# shellcheck disable=SC2034 # for the script
	kept=$(awk -v a="$answered" -v b="$asked" 'BEGIN { printf "%.2f", b ? 100 * a / b : 0 }')
}

# beside PATH RATE SECONDS: flood with GETs of PATH. Returns whether all ran to their ends.
beside() {
	beside_clients=
	beside_number=0
	beside_client /small 500 $(($3 + 2))
	beside_client /large 100 $(($3 + 2))
	beside_client / 200 $(($3 + 2))
	sleep 1
	# shellcheck disable=SC2034 # for the script
	flooded=$(lab_client "$LAB_BUILD/coax-bench" flood --interface "$LAB_CLIENT_LINK" \
		--peer-mac "$LAB_SERVER_MAC" --spare "$LAB_CLIENT_4" --destination "$LAB_SERVER_4" \
		--path "$1" --rate "$2" --seconds "$3") || return 1
	beside_count
}
