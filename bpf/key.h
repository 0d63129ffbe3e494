/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A request as the index knows it: the bytes after the token as they stand.
 */
#ifndef COAX_BPF_KEY_H
#define COAX_BPF_KEY_H

#include "maps.h"
#include "packet.h"

#define KEY_WORDS (COAX_KEY_MAX / 8)

/* The word that is read backwards from the end of the shortest request is in the frame. */
#define BEFORE_REQUEST                                                                   \
	(sizeof(struct ethernet_header) + sizeof(struct iphdr) + sizeof(struct udphdr) + \
	 sizeof(struct coap_header))

union request_key {
	struct coax_index_key key;
	struct {
		__u64 head;
		__u64 request[KEY_WORDS];
	};
};

_Static_assert(COAX_KEY_MAX % 8 == 0, "keys are handled by words of 8 bytes");
_Static_assert(sizeof(union request_key) == sizeof(struct coax_index_key), "without padding");
_Static_assert(BEFORE_REQUEST >= sizeof(__u64), "a word fits before the request");

/* A word with the last `count` bytes of `word` (in memory's order), then zeros. 0 < count < 8. */
static __always_inline __u64 last_bytes(__u64 word, __u32 count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word >> (64 - 8 * count);
#else
	return word << (64 - 8 * count);
#endif
}

/* What stands before the request in struct coax_index_key. */
static __always_inline __u64 key_head(const struct packet *packet)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)packet->service | (__u64)packet->code << 32 | packet->request_length << 48;
#else
	return (__u64)packet->service << 32 | (__u64)packet->code << 24 | packet->request_length;
#endif
}

/* By words: what is written in smaller pieces is slow to read back as words. */
static __always_inline bool read_key(const struct xdp_md *ctx, const struct packet *packet,
				     union request_key *key)
{
	const void *end = frame_end(ctx);
	const void *word = frame_start(ctx) + packet->request;
	const void *last = frame_start(ctx);
	__u64 last_at = packet->request + packet->request_length - sizeof(__u64);
	__u64 rest;

	OPAQUE(last_at);
	if (last_at > HEADERS_MAX + COAX_KEY_MAX)
		return false;
	last += last_at;
	OPAQUE(last);
	if (last + sizeof(__u64) > end)
		return false;
	rest = last_bytes(*(const __u64 *)last, packet->request_length % 8);

	key->head = key_head(packet);
	OPAQUE(word);
#pragma unroll
	for (__u32 i = 0; i < KEY_WORDS; i++, word += sizeof(__u64)) {
		if (8 * i + 8 <= packet->request_length) {
			if (word + sizeof(__u64) > end)
				return false;
			key->request[i] = *(const __u64 *)word;
		} else {
			key->request[i] = 8 * i < packet->request_length ? rest : 0;
		}
	}
	return true;
}

/* A multiply-shift hash: of the sum, only the upper bits depend on all of the key. */
static __always_inline __u64 hash_key(const union request_key *key)
{
	return (key->head * 0x9ae16a3b2f90404f + key->request[0] * 0xc949c7defebe6b31 +
		key->request[1] * 0xd6d018f597b91f2b + key->request[2] * 0x8f462907f9e1d4c5 +
		key->request[3] * 0xb36a80d2fe6c9ab7 + key->request[4] * 0xe7037ed1a0b428db +
		key->request[5] * 0xa0761d6478bd642f + key->request[6] * 0x8ebc6af09c88c6e3 +
		key->request[7] * 0x589965cc75374cc3);
}

_Static_assert(KEY_WORDS == 8, "hash_key() has a factor for each word");

#endif
