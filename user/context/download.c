// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "codec/encoding.h"
#include "download.h"

#define ETAG_NONE 0xff

void coax_download_init(struct coax_download *download, uint64_t body_max, coax_sink_fn sink,
			void *sink_arg)
{
	*download = (struct coax_download){
		.body_max = body_max,
		.sink = sink,
		.sink_arg = sink_arg,
		.exponent = COAX_BLOCK_EXPONENT_MAX,
	};
}

void coax_download_reset(struct coax_download *download)
{
	download->message = (struct coax_message){.data = NULL};
	download->length = 0;
	download->total = 0;
	download->begun = false;
	download->restarts = 0;
	download->exponent = COAX_BLOCK_EXPONENT_MAX;
}

void coax_download_free(struct coax_download *download)
{
	free(download->buffer);
	download->buffer = NULL;
	download->capacity = 0;
	coax_download_reset(download);
}

static bool is_successful(const struct coax_message *response)
{
	return COAX_CODE_CLASS(coax_message_code(response)) == 2;
}

static void drop_payload(struct coax_message *m)
{
	m->length = m->payload = options_end(m);
}

static void note_etag(struct coax_download *download, const struct coax_message *response)
{
	struct coax_option etag;

	download->etag_length = ETAG_NONE;
	if (!coax_message_find(response, COAX_ETAG, &etag) || etag.length > sizeof(download->etag))
		return;
	download->etag_length = (uint8_t)etag.length;
	memcpy(download->etag, etag.value, etag.length);
}

/* RFC 7959 section 2.4: blocks of one representation carry one ETag. */
static bool has_same_etag(const struct coax_download *download, const struct coax_message *response)
{
	struct coax_option etag;

	if (!coax_message_find(response, COAX_ETAG, &etag) || etag.length > sizeof(download->etag))
		return download->etag_length == ETAG_NONE;
	return download->etag_length == etag.length &&
	       !memcmp(download->etag, etag.value, etag.length);
}

/* `total` is what somebody claims: room is made for what has come, not for what may come. */
static int make_room(struct coax_download *download, size_t size)
{
	size_t capacity = download->capacity ? download->capacity : 2048;
	uint8_t *buffer;

	if (size <= download->capacity)
		return 0;
	while (capacity < size)
		capacity *= 2;
	buffer = realloc(download->buffer, capacity);
	if (!buffer)
		return -ENOMEM;
	download->buffer = buffer;
	download->capacity = capacity;
	return 0;
}

/* Keep the first block's header and options, without those about blocks. */
static int keep_first(struct coax_download *download, const struct coax_message *response)
{
	struct coax_message *message = &download->message;
	uint32_t head = options_end(response);
	int err;

	err = make_room(download, head);
	if (err)
		return err;
	memcpy(download->buffer, response->data, head);
	*message = *response;
	message->data = download->buffer;
	message->length = message->payload = message->capacity = head;
	coax_message_remove(message, COAX_BLOCK2);
	coax_message_remove(message, COAX_BLOCK1);
	message->capacity = 0;
	return 0;
}

static int add(struct coax_download *download, const uint8_t *data, size_t length)
{
	struct coax_message *message = &download->message;
	size_t marker = message->payload == message->length && length ? 1 : 0;
	int err;

	err = make_room(download, message->length + marker + length);
	message->data = download->buffer;
	if (err || !length)
		return err;
	if (marker) {
		message->data[message->length++] = COAX_PAYLOAD_MARKER;
		message->payload = message->length;
	}
	memcpy(message->data + message->length, data, length);
	message->length += (uint32_t)length;
	return 0;
}

static bool goes_to_sink(const struct coax_download *download, const struct coax_message *response)
{
	return download->sink && is_successful(response);
}

static int check_size(const struct coax_download *download, const struct coax_message *response,
		      size_t length)
{
	if (goes_to_sink(download, response))
		return 0;
	if (download->length + length > download->body_max || download->total > download->body_max)
		return -EFBIG;
	return 0;
}

/* One that is not cut: nothing of it has to be kept. */
static int take_whole(struct coax_download *download, const struct coax_message *response)
{
	const uint8_t *payload;
	size_t length;
	int err;

	payload = coax_message_payload(response, &length);
	download->length = 0;
	download->total = length;
	err = check_size(download, response, length);
	if (err)
		return err;
	download->message = *response;
	download->message.capacity = 0;
	download->length = length;
	if (!goes_to_sink(download, response))
		return 0;
	drop_payload(&download->message);
	return download->sink(download->sink_arg, response, 0, payload, length, length);
}

/* Whether a block is the one that was asked for, and what it should be (section 2.2 and 2.4). */
static bool fits(const struct coax_download *download, const struct coax_block *block,
		 size_t length)
{
	if (coax_block_offset(block) != download->length || block->exponent > download->exponent)
		return false;
	return block->more ? length == coax_block_size(block) : length <= coax_block_size(block);
}

static int begin(struct coax_download *download, const struct coax_message *response)
{
	uint32_t total = 0;
	int err;

	err = keep_first(download, response);
	if (err)
		return err;
	note_etag(download, response);
	coax_message_find_uint(response, COAX_SIZE2, &total);
	download->total = total;
	download->begun = true;
	return 0;
}

static int change(struct coax_download *download, struct coax_block *next)
{
	if (download->restarts == COAX_DOWNLOAD_RESTARTS)
		return -ESTALE;
	download->restarts++;
	download->begun = false;
	download->length = 0;
	*next = (struct coax_block){.exponent = download->exponent};
	return 1;
}

static int take_block(struct coax_download *download, const struct coax_message *response,
		      const struct coax_block *block, struct coax_block *next)
{
	const uint8_t *payload;
	uint64_t number;
	size_t length;
	int err = 0;

	payload = coax_message_payload(response, &length);
	if (download->begun && !has_same_etag(download, response))
		return change(download, next);
	if (!fits(download, block, length))
		return -EPROTO;
	if (download->begun && is_successful(response) != is_successful(&download->message))
		return -EPROTO;
	if (!download->begun)
		err = begin(download, response);
	if (!err)
		err = check_size(download, response, length);
	if (err)
		return err;

	if (goes_to_sink(download, response))
		err = download->sink(download->sink_arg, &download->message, download->length,
				     payload, length, download->total);
	else
		err = add(download, payload, length);
	if (err)
		return err;
	download->length += length;
	download->exponent = block->exponent;
	if (!block->more)
		return 0;

	number = download->length >> (block->exponent + 4);
	if (number > COAX_BLOCK_NUMBER_MAX)
		return -EFBIG;
	*next = (struct coax_block){.number = (uint32_t)number, .exponent = block->exponent};
	return 1;
}

/* In the middle of a representation the server says what hinders it. */
static bool gives_up(const struct coax_download *download, const struct coax_message *response)
{
	return download->begun && is_successful(&download->message) && !is_successful(response);
}

int coax_download_take(struct coax_download *download, const struct coax_message *response,
		       struct coax_block *next)
{
	struct coax_block block;
	int found = coax_message_find_block(response, COAX_BLOCK2, &block);

	if (found < 0)
		return -EPROTO;
	if (!found || gives_up(download, response))
		return take_whole(download, response);
	return take_block(download, response, &block, next);
}

const struct coax_message *coax_download_result(const struct coax_download *download)
{
	return &download->message;
}
