/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A request: the bytes after the token as they stand. They are compared where they lie, by words of
 * 8 bytes: those from the start that end before the request does, and the one that ends with it. So
 * a short request costs little, and only who does not find one writes it down as the index has it.
 */
#ifndef COAX_BPF_KEY_H
#define COAX_BPF_KEY_H

#include "maps.h"
#include "packet.h"

#define KEY_WORDS (COAX_KEY_MAX / 8)

/* The word that ends with the shortest request is in the frame. */
#define BEFORE_REQUEST                                                                   \
	(sizeof(struct ethernet_header) + sizeof(struct iphdr) + sizeof(struct udphdr) + \
	 sizeof(struct coap_header))

/* What each request has, however long it is. */
struct request {
	__u64 head;    /* what stands before the request in struct coax_index_key */
	__u64 last;    /* its last 8 bytes; of a shorter one all of them, then zeros */
	__u64 last_at; /* where those begin */
	__u64 hash;
};

_Static_assert(COAX_KEY_MAX % 8 == 0, "keys are handled by words of 8 bytes");
_Static_assert(BEFORE_REQUEST >= sizeof(__u64), "a word fits before the request");

/* A word with the last `count` bytes of `word` (in memory's order), then zeros. 0 <= count < 8. */
static __always_inline __u64 last_bytes(__u64 word, __u32 count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word >> (56 - 8 * count) >> 8;
#else
	return word << (56 - 8 * count) << 8;
#endif
}

static __always_inline __u64 request_head(const struct packet *packet)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)packet->service | (__u64)packet->code << 32 | packet->request_length << 48;
#else
	return (__u64)packet->service << 32 | (__u64)packet->code << 24 | packet->request_length;
#endif
}

static __always_inline bool read_last(const struct packet *packet, struct request *request)
{
	const void *word = packet->start;
	__u64 at = packet->request + packet->request_length - sizeof(__u64);

	OPAQUE(at);
	if (at > HEADERS_MAX + COAX_KEY_MAX)
		return false;
	word += at;
	OPAQUE(word);
	if (word + sizeof(__u64) > packet->end)
		return false;
	request->last = *(const __u64 *)word;
	request->last_at = packet->request_length - sizeof(__u64);
	if (packet->request_length < sizeof(__u64)) {
		request->last = last_bytes(request->last, packet->request_length);
		request->last_at = 0;
	}
	return true;
}

/*
 * How many words there are, the last one included, whole or not. Computed anew for each loop that
 * ends with it: the verifier is to remember it on no way out of there.
 */
static __always_inline __u64 count_words(const struct packet *packet)
{
	__u64 length = packet->request_length;

	OPAQUE(length);
	return (length + sizeof(__u64) - 1) / sizeof(__u64);
}

/* A multiply-shift hash: of the sum, only the upper bits depend on all of the request. */
static __always_inline bool read_request(const struct packet *packet, struct request *request)
{
	static const __u64 factors[KEY_WORDS - 1] = {
		0xc949c7defebe6b31, 0xd6d018f597b91f2b, 0x8f462907f9e1d4c5, 0xb36a80d2fe6c9ab7,
		0xe7037ed1a0b428db, 0xa0761d6478bd642f, 0x8ebc6af09c88c6e3,
	};
	const void *word = packet->start + packet->request;
	__u64 words = count_words(packet);

	if (!read_last(packet, request))
		return false;
	request->head = request_head(packet);
	request->hash = request->head * 0x9ae16a3b2f90404f + request->last * 0x589965cc75374cc3;
	OPAQUE(word);
#pragma unroll
	for (__u32 i = 0; i < KEY_WORDS - 1; i++, word += sizeof(__u64)) {
		if (i + 1 >= words)
			break;
		if (word + sizeof(__u64) > packet->end)
			return false;
		request->hash += *(const __u64 *)word * factors[i];
	}
	return true;
}

/* `key`: of a slot whose head is the request's. */
static __always_inline bool is_request(const __u8 *key, const struct packet *packet,
				       const struct request *request)
{
	const void *word = packet->start + packet->request;
	__u64 last_at = request->last_at;
	__u64 words = count_words(packet);
	__u64 difference;

	OPAQUE(last_at);
	if (last_at > COAX_KEY_MAX - sizeof(__u64))
		return false;
	difference = *(const __u64 *)(key + last_at) ^ request->last;
	OPAQUE(word);
#pragma unroll
	for (__u32 i = 0; i < KEY_WORDS - 1; i++, word += sizeof(__u64)) {
		if (i + 1 >= words)
			break;
		if (word + sizeof(__u64) > packet->end)
			return false;
		difference |= ((const __u64 *)key)[i] ^ *(const __u64 *)word;
	}
	return !difference;
}

#endif
