/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is shared by the parts of the parser of credentials.
 */
#ifndef COAX_CREDENTIALS_PARSER_H
#define COAX_CREDENTIALS_PARSER_H

#include <jansson.h>
#include "credentials/set.h"
#include "credentials/strings.h"

struct coax_parser {
	struct coax_credentials *set;
	struct coax_json_text text;
	const char *file;
	const char *key; /* the entry that is being read; NULL: none yet */
	char *error;	 /* of COAX_CREDENTIALS_ERROR_MAX bytes */
};

/* Say what is wrong with the line that `place` is in. Returns -EINVAL. */
int __attribute__((format(printf, 3, 4)))
coax_parser_fail(struct coax_parser *parser, size_t place, const char *format, ...);

/* There is no memory. Returns -ENOMEM. */
int coax_parser_fail_memory(struct coax_parser *parser);

/*
 * Read the string that a hidden one stands for, and where it is. *string is to be given back by
 * coax_string_free(). Returns 0, or -EINVAL or -ENOMEM and has said why.
 */
int coax_parser_read_string(struct coax_parser *parser, const char *hidden, char **string,
			    size_t *place);

/*
 * The only member of an object, its name read as above. `wanted` says what there may be. Returns 0,
 * or -EINVAL or -ENOMEM and has said why.
 */
int coax_parser_read_member(struct coax_parser *parser, json_t *object, const char *wanted,
			    char **name, json_t **value, size_t *place);

/*
 * Read an entry of one type, which `parser->key` is a label of or a pattern. *credential is NULL
 * when it is of a type that DTLS has no use for. Returns 0, or -EINVAL or -ENOMEM and has said why.
 */
int coax_parser_read_type(struct coax_parser *parser, const char *type, json_t *attributes,
			  size_t place, struct coax_credential **credential);

/* Whether a key of the map is a server's label, not a pattern of URIs. */
static inline bool coax_parser_is_label(const char *key)
{
	return key[0] == ':';
}

#endif
