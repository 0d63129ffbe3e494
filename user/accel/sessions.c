// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who has a DTLS session with us, for the program: what others send to secure endpoints it drops.
 * So a session that is not in the map is counted as missing, for as long as it lasts.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include "accel/internal.h"
#include "mapped.h"

static void make_key(struct coax_session_key *key, const union coax_address *remote)
{
	memset(key, 0, sizeof(*key));
	coax_mapped_address(key->address, remote);
	key->port_be = htons(coax_address_port(remote));
}

/* Without the interface of a link-local address: the program does not tell those apart. */
static void name_session(struct coax_session_value *value, const struct coax_session_key *key)
{
	bool ipv4 = coax_mapped_is_ipv4(key->address);
	char address[INET6_ADDRSTRLEN] = "";

	coax_mapped_text(key->address, address);
	snprintf(value->text, sizeof(value->text), ipv4 ? "%s:%u" : "[%s]:%u", address,
		 ntohs(key->port_be));
}

void coax_accel_session_add(struct coax_accel *accel, const union coax_address *remote)
{
	struct coax_session_value value = {0};
	struct coax_session_key key;

	if (!accel->session_count || accel->handed_over)
		return;
	make_key(&key, remote);
	pthread_mutex_lock(&accel->sessions_lock);
	if (bpf_map_lookup_elem(accel->sessions_fd, &key, &value) != 0)
		name_session(&value, &key);
	value.sessions++;
	if (bpf_map_update_elem(accel->sessions_fd, &key, &value, BPF_ANY) != 0)
		__atomic_fetch_add(&accel->config->sessions_missing, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&accel->sessions_lock);
}

/* It was one of those that are not in the map. */
static void forget_missing(struct coax_accel *accel)
{
	if (accel->config->sessions_missing)
		__atomic_fetch_sub(&accel->config->sessions_missing, 1, __ATOMIC_SEQ_CST);
}

void coax_accel_session_remove(struct coax_accel *accel, const union coax_address *remote)
{
	struct coax_session_value value;
	struct coax_session_key key;

	if (!accel->session_count || accel->handed_over)
		return;
	make_key(&key, remote);
	pthread_mutex_lock(&accel->sessions_lock);
	if (bpf_map_lookup_elem(accel->sessions_fd, &key, &value) != 0)
		forget_missing(accel);
	else if (--value.sessions)
		bpf_map_update_elem(accel->sessions_fd, &key, &value, BPF_ANY);
	else
		bpf_map_delete_elem(accel->sessions_fd, &key);
	pthread_mutex_unlock(&accel->sessions_lock);
}
