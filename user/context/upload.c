// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "upload.h"

static uint32_t block_size(const struct coax_upload *upload)
{
	return 16U << upload->exponent;
}

static int check_length(const struct coax_upload *upload)
{
	uint64_t longest = (COAX_BLOCK_NUMBER_MAX + 1ULL) << (upload->exponent + 4);

	return upload->body.length > longest ? -EMSGSIZE : 0;
}

int coax_upload_init(struct coax_upload *upload, const struct coax_body *body, uint8_t exponent)
{
	*upload = (struct coax_upload){.body = *body, .exponent = exponent};
	upload->cut = body->length > block_size(upload);
	return check_length(upload);
}

void coax_upload_rewind(struct coax_upload *upload)
{
	upload->offset = 0;
}

size_t coax_upload_block(const struct coax_upload *upload, struct coax_block *block)
{
	uint64_t left = upload->body.length - upload->offset;
	uint32_t size = block_size(upload);

	block->number = (uint32_t)(upload->offset >> (upload->exponent + 4));
	block->exponent = upload->exponent;
	block->more = upload->cut && left > size;
	return block->more ? size : (size_t)left;
}

int coax_upload_read(const struct coax_upload *upload, uint8_t *buffer, size_t length)
{
	const struct coax_body *body = &upload->body;
	size_t done = 0;
	ssize_t got;

	if (body->data) {
		memcpy(buffer, (const uint8_t *)body->data + upload->offset, length);
		return 0;
	}
	while (done < length) {
		got = body->read(body->arg, upload->offset + done, buffer + done, length - done);
		if (got < 0)
			return (int)got;
		if (got == 0 || (size_t)got > length - done)
			return -EIO;
		done += (size_t)got;
	}
	return 0;
}

/* RFC 7959 section 2.9.3: 4.13 may come with the block size that would be taken. */
static int shrink(struct coax_upload *upload, const struct coax_block *hint)
{
	if (upload->shrunk || hint->exponent >= upload->exponent)
		return 0;
	if (16U << hint->exponent >= upload->body.length)
		return 0;
	upload->shrunk = true;
	upload->cut = true;
	upload->offset = 0;
	upload->exponent = hint->exponent;
	return check_length(upload) ? -EMSGSIZE : 1;
}

/* Section 2.9.2: the server has lost blocks, or all that it knew of them. */
static int restart(struct coax_upload *upload)
{
	if (upload->restarted || upload->offset == 0)
		return 0;
	upload->restarted = true;
	upload->offset = 0;
	return 1;
}

/*
 * The block was taken, whether the server acts on each (a final code, M unset) or on all of them
 * (2.31): there are more, so go on (section 2.3). Smaller blocks are asked for by a smaller SZX.
 */
static int go_on(struct coax_upload *upload, const struct coax_block *acknowledged)
{
	upload->offset += block_size(upload);
	if (acknowledged->exponent < upload->exponent)
		upload->exponent = acknowledged->exponent;
	return check_length(upload) ? -EMSGSIZE : 1;
}

int coax_upload_take(struct coax_upload *upload, const struct coax_message *response)
{
	uint8_t code = coax_message_code(response);
	struct coax_block sent, acknowledged;
	int found = coax_message_find_block(response, COAX_BLOCK1, &acknowledged);

	coax_upload_block(upload, &sent);
	if (found < 0)
		return -EPROTO;
	if (code == COAX_REQUEST_ENTITY_TOO_LARGE)
		return found ? shrink(upload, &acknowledged) : 0;
	if (code == COAX_REQUEST_ENTITY_INCOMPLETE)
		return restart(upload);
	if (code == COAX_CONTINUE && (!found || !sent.more))
		return -EPROTO;
	/* One without Block1 comes from a server that has seen enough. */
	if (!found || !upload->cut || COAX_CODE_CLASS(code) != 2)
		return 0;
	if (acknowledged.number != sent.number)
		return -EPROTO;
	return sent.more ? go_on(upload, &acknowledged) : 0;
}
