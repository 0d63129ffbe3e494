// SPDX-License-Identifier: BSD-2-Clause
/* Block1 and Block2: RFC 7959 section 2.2. */
#include <coax/block.h>

#include <errno.h>

#include <coax/message.h>

/* Of the option's value, from the least significant bit on: SZX, M, NUM. */
#define EXPONENT_MASK	  7u
#define EXPONENT_RESERVED 7
#define MORE		  8u
#define NUMBER_SHIFT	  4
#define LENGTH_MAX	  3

uint8_t coax_block_exponent(uint32_t size)
{
	uint8_t exponent = COAX_BLOCK_EXPONENT_MAX;

	while (exponent > 0 && size < 16u << exponent)
		exponent--;
	return exponent;
}

int coax_message_find_block(const struct coax_message *m, uint16_t option, struct coax_block *block)
{
	struct coax_option found;
	uint32_t value;

	if (!coax_message_find(m, option, &found))
		return 0;
	value = coax_option_uint(&found);
	if (found.length > LENGTH_MAX || (value & EXPONENT_MASK) == EXPONENT_RESERVED)
		return -EBADMSG;
	*block = (struct coax_block){
		.number = value >> NUMBER_SHIFT,
		.more = value & MORE,
		.exponent = value & EXPONENT_MASK,
	};
	return 1;
}

int coax_message_add_block(struct coax_message *m, uint16_t option, const struct coax_block *block)
{
	if (block->number > COAX_BLOCK_NUMBER_MAX || block->exponent > COAX_BLOCK_EXPONENT_MAX)
		return -EINVAL;
	return coax_message_add_uint(m, option,
				     block->number << NUMBER_SHIFT | (block->more ? MORE : 0) |
					     block->exponent);
}
