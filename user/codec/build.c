// SPDX-License-Identifier: BSD-2-Clause
/* Writing messages: RFC 7252 section 3. */
#include <coax/message.h>

#include <errno.h>
#include <string.h>

#include "codec/encoding.h"

/* Where an option belongs among those that are there. */
struct gap {
	uint32_t at;	      /* offset at which the new bytes start */
	uint32_t previous;    /* number of the option in front of it, 0: none */
	bool last;	      /* no option follows */
	uint32_t next;	      /* number of the option that follows */
	uint32_t next_head;   /* length of its head */
	uint32_t next_length; /* length of its value */
};

int coax_message_start(struct coax_message *m, void *buffer, size_t capacity, enum coax_type type,
		       uint8_t code, uint16_t id, const void *token, size_t token_length)
{
	uint32_t length;
	uint8_t *at;

	if (token_length > EXTENDED_MAX)
		return -EINVAL;
	length = COAX_HEADER_SIZE + extended_size((uint32_t)token_length) + (uint32_t)token_length;
	if (capacity < length)
		return -EMSGSIZE;

	*m = (struct coax_message){
		.data = buffer,
		.length = length,
		.capacity = capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX,
		.payload = length,
	};
	at = m->data + COAX_HEADER_SIZE;
	m->data[0] = (uint8_t)(COAX_VERSION << 6 | (type & 3) << 4 |
			       write_extended(&at, (uint32_t)token_length));
	m->data[1] = code;
	coax_message_set_id(m, id);
	if (token_length)
		memcpy(at, token, token_length);
	return 0;
}

/*
 * Look past all options with numbers below `bound`. Most messages are built in order: that takes
 * no walk.
 */
static void find_gap(const struct coax_message *m, uint32_t bound, struct gap *gap)
{
	struct coax_option_iterator it;
	struct coax_option option;
	const uint8_t *start;

	*gap = (struct gap){.at = options_end(m), .previous = m->last_option, .last = true};
	if (bound > m->last_option)
		return;

	it = coax_options_begin(m);
	gap->previous = 0;
	for (start = it.at; coax_options_next(&it, &option); start = it.at) {
		if (option.number >= bound) {
			gap->at = (uint32_t)(start - m->data);
			gap->last = false;
			gap->next = option.number;
			gap->next_head = (uint32_t)(option.value - start);
			gap->next_length = option.length;
			return;
		}
		gap->previous = option.number;
	}
}

int coax_message_add(struct coax_message *m, uint16_t number, const void *value, size_t length)
{
	uint32_t size, behind, next_size = 0;
	struct gap gap;
	uint8_t *at;

	if (m->capacity == 0)
		return -EROFS;
	if (length > COAX_OPTION_LENGTH_MAX)
		return -EMSGSIZE;

	find_gap(m, number + 1u, &gap);
	size = head_size(number - gap.previous, (uint32_t)length) + (uint32_t)length;
	if (!gap.last)
		next_size = head_size(gap.next - number, gap.next_length);
	/*
	 * The new option's neighbour counts its delta from the new option on, so its head may get
	 * shorter; the two together never get shorter than the neighbour's old head.
	 */
	size += next_size;
	if (size - gap.next_head > m->capacity - m->length)
		return -EMSGSIZE;

	at = m->data + gap.at;
	behind = gap.at + gap.next_head;
	memmove(at + size, m->data + behind, m->length - behind);
	m->length += size - gap.next_head;
	m->payload += size - gap.next_head;

	at = write_head(at, number - gap.previous, (uint32_t)length);
	if (length)
		memcpy(at, value, length);
	if (gap.last)
		m->last_option = number;
	else
		write_head(at + length, gap.next - number, gap.next_length);
	return 0;
}

int coax_message_add_uint(struct coax_message *m, uint16_t number, uint32_t value)
{
	uint8_t bytes[4] = {
		(uint8_t)(value >> 24),
		(uint8_t)(value >> 16),
		(uint8_t)(value >> 8),
		(uint8_t)value,
	};
	size_t skip = 0;

	while (skip < sizeof(bytes) && bytes[skip] == 0)
		skip++;
	return coax_message_add(m, number, bytes + skip, sizeof(bytes) - skip);
}

int coax_message_add_string(struct coax_message *m, uint16_t number, const char *value)
{
	return coax_message_add(m, number, value, strlen(value));
}

int coax_message_remove(struct coax_message *m, uint16_t number)
{
	uint8_t head[OPTION_HEAD_MAX] = {0}, *at;
	uint32_t head_length = 0, behind, shrunk;
	struct coax_option_iterator it;
	struct coax_option option;
	struct gap from, to;
	int removed = 0;

	if (m->capacity == 0)
		return -EROFS;

	find_gap(m, number, &from);
	find_gap(m, number + 1u, &to);
	it = (struct coax_option_iterator){
		.at = m->data + from.at, .number = from.previous, .end = m->data + to.at};
	while (coax_options_next(&it, &option))
		removed++;
	if (!removed)
		return 0;

	/* The option behind counts its delta from the one in front now. */
	if (to.last)
		m->last_option = (uint16_t)from.previous;
	else
		head_length = (uint32_t)(write_head(head, to.next - from.previous, to.next_length) -
					 head);
	at = m->data + from.at;
	behind = to.at + to.next_head;
	shrunk = behind - from.at - head_length;
	memmove(at + head_length, m->data + behind, m->length - behind);
	memcpy(at, head, head_length);
	m->length -= shrunk;
	m->payload -= shrunk;
	return removed;
}

int coax_message_set_payload(struct coax_message *m, const void *payload, size_t length)
{
	uint32_t end = options_end(m);

	if (m->capacity == 0)
		return -EROFS;
	if (length == 0) {
		m->length = m->payload = end;
		return 0;
	}
	if (length >= m->capacity - end)
		return -EMSGSIZE;

	memmove(m->data + end + 1, payload, length);
	m->data[end] = COAX_PAYLOAD_MARKER;
	m->payload = end + 1;
	m->length = m->payload + (uint32_t)length;
	return 0;
}
