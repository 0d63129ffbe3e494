/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Block1 and Block2 options (RFC 7959 section 2). A Context cuts and joins bodies by itself;
 * this is for those who look at single messages.
 */
#ifndef COAX_BLOCK_H
#define COAX_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct coax_message;

#define COAX_BLOCK_NUMBER_MAX	0xfffff
#define COAX_BLOCK_EXPONENT_MAX 6
#define COAX_BLOCK_SIZE_MAX	1024

struct coax_block {
	uint32_t number;  /* NUM: which block */
	bool more;	  /* M: others follow */
	uint8_t exponent; /* SZX: 0 to 6, for 16 to 1024 bytes */
};

/* In bytes. */
static inline uint32_t coax_block_size(const struct coax_block *block)
{
	return 16u << block->exponent;
}

/* Offset of its first byte in the body. */
static inline uint64_t coax_block_offset(const struct coax_block *block)
{
	return (uint64_t)block->number << (block->exponent + 4);
}

/**
 * coax_block_exponent - the largest SZX whose blocks have at most `size` bytes; 0 for less than 16.
 */
uint8_t coax_block_exponent(uint32_t size);

/**
 * coax_message_find_block - read COAX_BLOCK1 or COAX_BLOCK2 of a message.
 *
 * Returns 1, 0 (there is none) or -EBADMSG (longer than 3 bytes, or the reserved SZX 7, which asks
 * for 4.00: RFC 7959 section 2.2).
 */
int coax_message_find_block(const struct coax_message *m, uint16_t option,
			    struct coax_block *block);

/**
 * coax_message_add_block - add one. Returns what coax_message_add() does, or -EINVAL for a number
 * or exponent that cannot be expressed.
 */
int coax_message_add_block(struct coax_message *m, uint16_t option, const struct coax_block *block);

#endif
