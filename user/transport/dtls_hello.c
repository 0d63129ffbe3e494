// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include <openssl/crypto.h>
#include "dtls_hello.h"

#define CLIENT_HELLO  1
#define HELLO_VERIFY  3
#define VERSION_MAJOR 0xfe

static uint32_t number24(const uint8_t *at)
{
	return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

bool coax_record_parse(struct coax_record *record, uint8_t *data, size_t length)
{
	size_t carried;

	if (length < COAX_RECORD_HEADER || data[1] != VERSION_MAJOR)
		return false;
	carried = (size_t)data[11] << 8 | data[12];
	if (carried > length - COAX_RECORD_HEADER)
		return false;
	record->data = data;
	record->length = (uint32_t)(COAX_RECORD_HEADER + carried);
	record->type = data[0];
	record->epoch = (uint16_t)(data[3] << 8 | data[4]);
	return true;
}

bool coax_record_is_hello(const struct coax_record *record)
{
	return record->type == COAX_RECORD_HANDSHAKE && record->epoch == 0 &&
	       record->length > COAX_RECORD_HEADER &&
	       record->data[COAX_RECORD_HEADER] == CLIENT_HELLO;
}

/* The next `length` bytes of what is left; NULL: they are not there. */
static const uint8_t *take(const uint8_t **at, size_t *left, size_t length)
{
	const uint8_t *taken = *at;

	if (*left < length)
		return NULL;
	*at += length;
	*left -= length;
	return taken;
}

bool coax_hello_parse(struct coax_hello *hello, const struct coax_record *record)
{
	const uint8_t *at = record->data + COAX_RECORD_HEADER, *header, *length;
	size_t left = record->length - COAX_RECORD_HEADER;

	if (!coax_record_is_hello(record))
		return false;
	header = take(&at, &left, COAX_HANDSHAKE_HEADER);
	if (!header || number24(header + 6) != 0 || number24(header + 9) != left ||
	    left > number24(header + 1))
		return false;
	hello->sequence = record->data + 3;
	hello->message_sequence = (uint16_t)(header[4] << 8 | header[5]);

	hello->version = take(&at, &left, 2);
	hello->random = take(&at, &left, COAX_HELLO_RANDOM);
	length = take(&at, &left, 1);
	if (!length || length[0] > COAX_HELLO_ID_MAX || hello->version[0] != VERSION_MAJOR)
		return false;
	hello->session_length = length[0];
	hello->session = take(&at, &left, hello->session_length);
	length = take(&at, &left, 1);
	if (!length)
		return false;
	hello->cookie_length = length[0];
	hello->cookie = take(&at, &left, hello->cookie_length);
	return hello->cookie != NULL;
}

static uint64_t cookie_of(const struct coax_hello *hello, const struct coax_cookie_key *key,
			  const union coax_address *remote, uint8_t period)
{
	struct coax_cookie_input input;

	memset(&input, 0, sizeof(input));
	if (remote->sa.sa_family == AF_INET6) {
		memcpy(input.address, &remote->in6.sin6_addr, 16);
		memcpy(input.port, &remote->in6.sin6_port, 2);
	} else {
		input.address[10] = input.address[11] = 0xff;
		memcpy(input.address + 12, &remote->in.sin_addr, 4);
		memcpy(input.port, &remote->in.sin_port, 2);
	}
	input.session_length = hello->session_length;
	input.period = period;
	memcpy(input.version, hello->version, sizeof(input.version));
	memcpy(input.random, hello->random, sizeof(input.random));
	memcpy(input.session, hello->session, hello->session_length);
	return coax_cookie(key, &input);
}

bool coax_hello_cookie_is_valid(const struct coax_hello *hello, const struct coax_cookie_key *key,
				const union coax_address *remote, uint64_t now)
{
	uint64_t cookie;

	if (hello->cookie_length != COAX_COOKIE_LENGTH ||
	    !coax_cookie_is_timely(hello->cookie[0], now))
		return false;
	cookie = cookie_of(hello, key, remote, hello->cookie[0]);
	return CRYPTO_memcmp(&cookie, hello->cookie + 1, sizeof(cookie)) == 0;
}

void coax_hello_verify(uint8_t out[COAX_HELLO_VERIFY], const struct coax_hello *hello,
		       const struct coax_cookie_key *key, const union coax_address *remote,
		       uint64_t now)
{
	/* The record and the message say version 1.0, whatever is agreed on later. */
	static const uint8_t version[2] = {VERSION_MAJOR, 0xff};
	const uint8_t body = 3 + COAX_COOKIE_LENGTH;
	uint8_t *message = out + COAX_RECORD_HEADER;
	uint64_t cookie = cookie_of(hello, key, remote, coax_cookie_period(now));

	memset(out, 0, COAX_HELLO_VERIFY);
	out[0] = COAX_RECORD_HANDSHAKE;
	memcpy(out + 1, version, sizeof(version));
	/* Of the ClientHello: no two answers without state have the same number else. */
	memcpy(out + 3, hello->sequence, 8);
	out[12] = COAX_HANDSHAKE_HEADER + body;
	message[0] = HELLO_VERIFY;
	message[3] = body;
	message[4] = (uint8_t)(hello->message_sequence >> 8);
	message[5] = (uint8_t)hello->message_sequence;
	message[11] = body;
	memcpy(message + COAX_HANDSHAKE_HEADER, version, sizeof(version));
	message[14] = COAX_COOKIE_LENGTH;
	message[15] = coax_cookie_period(now);
	memcpy(message + 16, &cookie, sizeof(cookie));
}
