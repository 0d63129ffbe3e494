/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DTLS records (RFC 6347) to secure endpoints. Whoever says hello first proves to be where it says
 * it is: HelloVerifyRequest goes out from here, so that forged ClientHellos cost userspace nothing.
 * What belongs to no session gets no further, either.
 *
 * Only the first record of a datagram is looked at, and only where all its lengths agree.
 */
#ifndef COAX_BPF_HELLO_H
#define COAX_BPF_HELLO_H

#include <linux/in.h>
#include <coax/cookie.h>
#include "address.h"
#include "checksum.h"
#include "datagram.h"
#include "guard.h"
#include "maps.h"
#include "packet.h"
#include "reply.h"
#include "route.h"
#include "stats.h"

#define RECORD_HANDSHAKE     22
#define CLIENT_HELLO	     1
#define HELLO_VERIFY_REQUEST 3
#define VERSION_MAJOR	     0xfe /* DTLS 1.x, which counts down */
#define SESSION_ID_MAX	     32

struct record_header {
	__u8 type;
	__u8 version[2];
	__u8 epoch[2];
	__u8 sequence[6];
	__u8 length[2];
};

struct handshake_header {
	__u8 type;
	__u8 length[3];
	__u8 sequence[2];
	__u8 fragment_offset[3];
	__u8 fragment_length[3];
};

/* As far as it is as long as any other. */
struct client_hello {
	struct record_header record;
	struct handshake_header handshake;
	__u8 version[2];
	__u8 random[32];
	__u8 session_length;
};

struct hello_verify {
	struct record_header record;
	struct handshake_header handshake;
	__u8 version[2];
	__u8 cookie_length;
	__u8 cookie[COAX_COOKIE_LENGTH];
};

#define VERIFY_WORDS ((sizeof(struct hello_verify) + 3) / 4)
/* Of the handshake message in it, without its header. */
#define VERIFY_BODY                                                   \
	(sizeof(struct hello_verify) - sizeof(struct record_header) - \
	 sizeof(struct handshake_header))

union verify {
	struct hello_verify message;
	__u32 words[VERIFY_WORDS];
};

_Static_assert(sizeof(struct client_hello) == 60, "without padding");
_Static_assert(sizeof(struct hello_verify) == 37, "without padding");
_Static_assert(sizeof(struct hello_verify) < sizeof(struct client_hello), "nobody gains by it");
_Static_assert(COAX_COOKIE_LENGTH == 1 + sizeof(__u64), "the period, and the hash");

union session_key {
	struct coax_session_key key;
	__u32 words[ADDRESS_WORDS + 1];
};

/* A cookie as it came, the hash in a word of its own. */
struct cookie {
	__u8 reserved[7];
	__u8 period;
	__u64 hash;
};

/* What is known of a ClientHello, from one step to the next: too much for the stack. */
struct hello_scratch {
	struct coax_cookie_input input;
	union verify verify;
	struct cookie cookie; /* that came with it */
	__u64 session_length;
	__u64 end; /* of the fragment, in the message */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hello_scratch);
} hello_scratch SEC(".maps");

static __always_inline struct hello_scratch *scratch(void)
{
	const __u32 only = 0;

	return bpf_map_lookup_elem(&hello_scratch, &only);
}

static __always_inline __u32 number_of(const __u8 *bytes, int count)
{
	__u32 number = 0;

	for (int i = 0; i < count; i++)
		number = number << 8 | bytes[i];
	return number;
}

/*
 * Sessions.
 */

static __always_inline bool sessions_are_known(void)
{
	const struct coax_config *config = configuration();

	return config && SWITCH(config, sessions) && !SWITCH(config, sessions_missing);
}

__noinline int check_session(struct xdp_md *ctx, __u64 place)
{
	union session_key session;
	const struct udphdr *udp;
	struct packet packet;

	if (!sessions_are_known())
		return OUTCOME(pass_record);
	find_place(ctx, place, &packet);
	udp = udp_header(&packet);
	if ((const void *)(udp + 1) > packet.end || !read_source(&packet, session.words))
		return OUTCOME(pass_unusual);
	session.words[ADDRESS_WORDS] = port_word(udp->source);
	return bpf_map_lookup_elem(&sessions, &session) ? OUTCOME(pass_session)
							: OUTCOME(drop_record);
}

/*
 * Cookies.
 */

/* Of what is in the scratch. A function of its own, that the verifier looks at once. */
__noinline __u64 hash_hello(void)
{
	const __u32 only = 0;
	const struct coax_secret *key = bpf_map_lookup_elem(&secret, &only);
	const struct hello_scratch *hello = scratch();

	return key && hello ? coax_cookie(&key->cookie, &hello->input) : 0;
}

/* All but the period. `at`: where the message begins. */
static __always_inline bool read_input(struct xdp_md *ctx, const struct packet *packet, __u32 at,
				       __u32 session_length, struct coax_cookie_input *input)
{
	const struct udphdr *udp = udp_header(packet);
	const struct client_hello *hello = (const void *)(udp + 1);
	union source_key source;

	if ((const void *)(hello + 1) > packet->end || !read_source(packet, source.words))
		return false;
	__builtin_memset(input, 0, sizeof(*input));
	*(__be16 *)input->port = udp->source;
	input->session_length = session_length;
	input->version[0] = hello->version[0];
	input->version[1] = hello->version[1];
	__builtin_memcpy(input->address, source.words, sizeof(input->address));
	return !bpf_xdp_load_bytes(ctx, at + __builtin_offsetof(struct client_hello, random),
				   input->random, sizeof(input->random)) &&
	       load_bytes(ctx, at + sizeof(*hello), session_length, input->session, SESSION_ID_MAX);
}

/*
 * HelloVerifyRequest.
 */

static __always_inline void make_verify(const struct client_hello *hello, union verify *verify)
{
	struct hello_verify *message = &verify->message;

	__builtin_memset(verify, 0, sizeof(*verify));
	message->record.type = RECORD_HANDSHAKE;
	/* Section 4.2.1: of DTLS 1.0, whatever will be agreed on; the number of the ClientHello. */
	message->record.version[0] = VERSION_MAJOR;
	message->record.version[1] = 0xff;
	for (int i = 0; i < 6; i++)
		message->record.sequence[i] = hello->record.sequence[i];
	message->record.length[1] = sizeof(message->handshake) + VERIFY_BODY;
	message->handshake.type = HELLO_VERIFY_REQUEST;
	message->handshake.length[2] = VERIFY_BODY;
	message->handshake.fragment_length[2] = VERIFY_BODY;
	message->version[0] = VERSION_MAJOR;
	message->version[1] = 0xff;
	message->cookie_length = COAX_COOKIE_LENGTH;
}

static __always_inline bool write_verify(struct xdp_md *ctx, const struct packet *packet,
					 const union verify *verify)
{
	const __u64 length = sizeof(verify->message);

	return write_message(ctx, packet, &verify->message, length, length,
			     sum_words(verify->words, VERIFY_WORDS));
}

/* The one in the scratch. It is shorter than any ClientHello: there is room. */
__noinline int send_verify(struct xdp_md *ctx, __u64 place)
{
	struct hello_scratch *hello = scratch();
	enum outcome outcome;
	struct packet packet;
	union next_hop hop;

	find_place(ctx, place, &packet);
	if (!hello || check_datagram(&packet) != GO_ON)
		return OUTCOME(pass_unusual);
	packet.request = packet.transport + sizeof(struct udphdr);
	outcome = make_way(ctx, &packet, packet.request + sizeof(struct hello_verify), &hop);
	if (outcome != GO_ON)
		return outcome;
	if (!turn_to(&packet, &hop) || !write_verify(ctx, &packet, &hello->verify))
		return OUTCOME(drop_raced);
	return OUTCOME(hello);
}

/*
 * ClientHellos.
 */

static __always_inline bool is_client_hello(const struct client_hello *hello)
{
	return hello->record.type == RECORD_HANDSHAKE && !hello->record.epoch[0] &&
	       !hello->record.epoch[1] && hello->handshake.type == CLIENT_HELLO;
}

/*
 * Whether all up to the length of the cookie is there: in the first fragment, in the record, in the
 * datagram. Sets *end to where the fragment ends.
 */
static __always_inline bool check_hello(const struct client_hello *hello, __u64 length, __u64 *end)
{
	const struct handshake_header *handshake = &hello->handshake;
	__u64 record_end = sizeof(hello->record) + number_of(hello->record.length, 2);

	*end = sizeof(hello->record) + sizeof(*handshake) +
	       number_of(handshake->fragment_length, 3);
	if (hello->record.version[0] != VERSION_MAJOR || hello->version[0] != VERSION_MAJOR)
		return false;
	if (record_end > length || *end > record_end || number_of(handshake->fragment_offset, 3) ||
	    number_of(handshake->fragment_length, 3) > number_of(handshake->length, 3))
		return false;
	return hello->session_length <= SESSION_ID_MAX &&
	       sizeof(*hello) + hello->session_length + 1 <= *end;
}

/* `at`: behind the length of the cookie. Whether it is one that was sent for this hello. */
static __always_inline bool has_cookie(struct xdp_md *ctx, __u32 at, __u8 length, __u64 now,
				       struct hello_scratch *hello)
{
	struct cookie *cookie = &hello->cookie;

	if (length != COAX_COOKIE_LENGTH ||
	    bpf_xdp_load_bytes(ctx, at, &cookie->period, COAX_COOKIE_LENGTH))
		return false;
	if (!coax_cookie_is_timely(cookie->period, now))
		return false;
	hello->input.period = cookie->period;
	return hash_hello() == cookie->hash;
}

/* Has it the cookie that it was sent? GO_ON: it is to be sent one, which is in the scratch. */
__noinline int check_cookie(struct xdp_md *ctx, __u64 place, __u64 now)
{
	struct hello_scratch *hello = scratch();
	struct packet packet;
	__u64 at, hash;
	__u32 message;
	__u8 length;

	if (!hello)
		return OUTCOME(pass_hello);
	find_place(ctx, place, &packet);
	message = packet.transport + sizeof(struct udphdr);
	at = sizeof(struct client_hello) + hello->session_length;
	if (!read_input(ctx, &packet, message, hello->session_length, &hello->input) ||
	    bpf_xdp_load_bytes(ctx, message + at, &length, 1))
		return OUTCOME(pass_hello);
	at++;
	if (at + length > hello->end)
		return OUTCOME(pass_hello);
	if (has_cookie(ctx, message + at, length, now, hello))
		return OUTCOME(pass_cookie);
	hello->input.period = coax_cookie_period(now);
	hash = hash_hello();
	hello->verify.message.cookie[0] = hello->input.period;
	__builtin_memcpy(hello->verify.message.cookie + 1, &hash, sizeof(hash));
	return GO_ON;
}

/* Is it one? GO_ON: it is, and its beginning is in the scratch. `length`: of the datagram's. */
__noinline int classify_record(struct xdp_md *ctx, __u64 place, __u64 length)
{
	struct hello_scratch *kept = scratch();
	const struct client_hello *hello;
	struct packet packet;

	find_place(ctx, place, &packet);
	hello = udp_header(&packet) + sizeof(struct udphdr);
	if (!kept || length < sizeof(*hello) || (const void *)(hello + 1) > packet.end ||
	    !is_client_hello(hello))
		return OUTCOME(pass_record);
	if (!check_hello(hello, length, &kept->end))
		return OUTCOME(pass_hello);
	make_verify(hello, &kept->verify);
	kept->session_length = hello->session_length;
	return GO_ON;
}

/* `length`: of the datagram's. */
__noinline int check_record(struct xdp_md *ctx, __u64 place, __u64 length, __u64 now)
{
	const struct coax_guard_config *guard = guard_config();
	enum outcome outcome = classify_record(ctx, place, length);

	if (outcome == OUTCOME(pass_record))
		return check_session(ctx, place);
	if (outcome == GO_ON && guard && guard->requests.cost) {
		outcome = limit_requests(ctx, place, now + TICK_MAX);
		/* Nobody is told of it: DTLS has no word for that. */
		if (outcome == OUTCOME(pass_limited))
			outcome = OUTCOME(drop_requests);
	}
	if (outcome == GO_ON)
		outcome = check_cookie(ctx, place, now);
	if (outcome == GO_ON)
		return send_verify(ctx, place);
	/* The rest of one whose first fragment had the cookie, perhaps. */
	if (outcome == OUTCOME(pass_hello) && check_session(ctx, place) == OUTCOME(pass_session))
		return OUTCOME(pass_session);
	return outcome;
}

#endif
