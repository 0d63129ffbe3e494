// SPDX-License-Identifier: BSD-2-Clause
/*
 * The types of entries, and their attributes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "credentials/parser.h"
#include "credentials/pem.h"

#define ATTRIBUTES_MAX	7
#define SERVER_NAME_MAX 255 /* RFC 6066 section 3: a host name */

/* What an attribute's value is for. */
struct reading {
	struct coax_parser *parser;
	struct coax_credential *credential;
	const char *attribute;
	size_t place;
	bool asks_client; /* "client-certificate" is there */
};

typedef int (*read_fn)(struct reading *reading, json_t *value);

struct attribute {
	const char *name;
	read_fn read;
	bool required;
	bool is_servers; /* makes sense below labels alone */
};

struct type {
	const char *name;
	enum coax_credential_kind kind;
	struct attribute attributes[ATTRIBUTES_MAX + 1];
	const char *attribute_names;
};

/* Names of types that others use in the same file. */
static const char *const foreign_types[] = {"oscore", "edhoc-oscore", "tlscert", "unprotected"};

/* `text` is a secret. Returns whether it was decoded to at most `max` bytes. */
static bool decode(const char *encoding, const char *text, uint8_t *bytes, size_t max,
		   size_t *length)
{
	size_t text_length = strlen(text);
	const char *end = text;

	if (strcmp(encoding, "hex") == 0)
		return sodium_hex2bin(bytes, max, text, text_length, ":- ", length, &end) == 0 &&
		       end == text + text_length;
	if (strcmp(encoding, "base64") == 0)
		return sodium_base642bin(bytes, max, text, text_length, " \r\n", length, &end,
					 sodium_base64_VARIANT_ORIGINAL) == 0 &&
		       end == text + text_length;
	if (text_length > max)
		return false;
	for (size_t i = 0; i < text_length; i++)
		if ((unsigned char)text[i] > 0x7f)
			return false;
	memcpy(bytes, text, text_length);
	*length = text_length;
	return true;
}

static bool is_encoding(const char *name)
{
	return strcmp(name, "ascii") == 0 || strcmp(name, "hex") == 0 ||
	       strcmp(name, "base64") == 0;
}

/* {"ascii": "..."} and the like. What stands there instead may be a secret: it is not repeated. */
static int read_bytes(struct reading *reading, json_t *value, uint8_t *bytes, size_t max,
		      size_t *length)
{
	struct coax_parser *parser = reading->parser;
	char *encoding = NULL, *text = NULL;
	size_t place = reading->place;
	json_t *encoded;
	int err;

	err = coax_parser_read_member(parser, value,
				      "ascii, hex and base64, like {\"ascii\": \"...\"}", &encoding,
				      &encoded, &place);
	if (err)
		return err;
	if (!is_encoding(encoding) || !json_is_string(encoded)) {
		err = coax_parser_fail(parser, place,
				       "%s is a text below ascii, hex or base64, like "
				       "{\"ascii\": \"...\"}",
				       reading->attribute);
		goto out;
	}
	err = coax_parser_read_string(parser, json_string_value(encoded), &text, &place);
	if (!err && (!decode(encoding, text, bytes, max, length) || *length == 0))
		err = coax_parser_fail(parser, place,
				       "%s is not %s of 1 to %zu bytes (ascii has 7 bits a "
				       "character, hex two digits a byte, base64 its padding)",
				       reading->attribute, encoding, max);
out:
	coax_string_free(text);
	coax_string_free(encoding);
	return err;
}

static int read_psk(struct reading *reading, json_t *value)
{
	struct coax_psk *psk = &reading->credential->psk;

	return read_bytes(reading, value, psk->key, sizeof(psk->key), &psk->key_length);
}

static int read_identity(struct reading *reading, json_t *value)
{
	struct coax_psk *psk = &reading->credential->psk;

	return read_bytes(reading, value, psk->identity, sizeof(psk->identity),
			  &psk->identity_length);
}

static int read_text(struct reading *reading, json_t *value, char **text)
{
	if (!json_is_string(value))
		return coax_parser_fail(reading->parser, reading->place, "%s is a text",
					reading->attribute);
	return coax_parser_read_string(reading->parser, json_string_value(value), text,
				       &reading->place);
}

static int read_server_name(struct reading *reading, json_t *value)
{
	char *name;
	int err = read_text(reading, value, &name);

	if (err)
		return err;
	if (!*name || strlen(name) > SERVER_NAME_MAX || strpbrk(name, " :/[]*")) {
		coax_string_free(name);
		return coax_parser_fail(reading->parser, reading->place,
					"server-name is the name of a host, such as "
					"\"gateway.example\"");
	}
	reading->credential->server_name = name;
	return 0;
}

/* `name` is relative to the directory of the file that it stands in. NULL: no memory. */
static char *find_beside(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	size_t directory = slash ? (size_t)(slash + 1 - file) : 0;
	char *path;

	if (*name == '/')
		directory = 0;
	path = malloc(directory + strlen(name) + 1);
	if (!path)
		return NULL;
	memcpy(path, file, directory);
	strcpy(path + directory, name);
	return path;
}

/* Read a file to *text. The name is the user's own, and so is shown. */
static int read_pem_file(struct reading *reading, const char *name, char **text)
{
	struct coax_parser *parser = reading->parser;
	char *path = find_beside(parser->file, name);
	const char *problem;
	int err;

	if (!path)
		return coax_parser_fail_memory(parser);
	err = coax_pem_read(path, text, &problem);
	free(path);
	if (err)
		(void)coax_parser_fail(parser, reading->place,
				       "the %s \"%.200s\" cannot be read: %s", reading->attribute,
				       name, problem);
	return err;
}

/* {"file": "..."} or {"pem": "..."} */
static int read_pem(struct reading *reading, json_t *value, char **result,
		    const char *(*check)(const char *text))
{
	struct coax_parser *parser = reading->parser;
	char *source = NULL, *given = NULL;
	const char *problem;
	json_t *named;
	int err;

	err = coax_parser_read_member(parser, value, "file and pem, like {\"file\": \"NAME.pem\"}",
				      &source, &named, &reading->place);
	if (err)
		return err;
	err = -EINVAL;
	if ((strcmp(source, "file") != 0 && strcmp(source, "pem") != 0) || !json_is_string(named)) {
		(void)coax_parser_fail(parser, reading->place,
				       "%s is a text below file or pem, like {\"file\": "
				       "\"NAME.pem\"}",
				       reading->attribute);
		goto out;
	}
	err = coax_parser_read_string(parser, json_string_value(named), &given, &reading->place);
	if (err)
		goto out;
	if (strcmp(source, "file") == 0) {
		err = read_pem_file(reading, given, result);
	} else {
		*result = given;
		given = NULL;
	}
	problem = err ? NULL : check(*result);
	if (problem)
		err = coax_parser_fail(parser, reading->place, "%s: %s", reading->attribute,
				       problem);
out:
	coax_string_free(given);
	coax_string_free(source);
	return err;
}

static int read_chain(struct reading *reading, json_t *value)
{
	return read_pem(reading, value, &reading->credential->certificates.chain,
			coax_pem_check_certificates);
}

static int read_key(struct reading *reading, json_t *value)
{
	return read_pem(reading, value, &reading->credential->certificates.key,
			coax_pem_check_private_key);
}

static int read_revoked(struct reading *reading, json_t *value)
{
	return read_pem(reading, value, &reading->credential->certificates.revoked,
			coax_pem_check_revoked);
}

static int read_peer_key(struct reading *reading, json_t *value)
{
	return read_pem(reading, value, &reading->credential->certificates.peer_key,
			coax_pem_check_public_key);
}

/* One of the words. *index is which. */
static int read_word(struct reading *reading, json_t *value, const char *const words[2],
		     unsigned int *index)
{
	char *word;
	int err = read_text(reading, value, &word);

	if (err)
		return err;
	for (*index = 0; *index < 2 && strcmp(word, words[*index]) != 0; ++*index)
		;
	coax_string_free(word);
	return *index < 2
		       ? 0
		       : coax_parser_fail(reading->parser, reading->place, "%s is \"%s\" or \"%s\"",
					  reading->attribute, words[0], words[1]);
}

static int read_authorities(struct reading *reading, json_t *value)
{
	struct coax_certificates *certificates = &reading->credential->certificates;
	char *word;
	int err;

	if (!json_is_string(value))
		return read_pem(reading, value, &certificates->authorities,
				coax_pem_check_certificates);
	err = read_text(reading, value, &word);
	if (err)
		return err;
	certificates->system_authorities = strcmp(word, "system") == 0;
	coax_string_free(word);
	return certificates->system_authorities
		       ? 0
		       : coax_parser_fail(reading->parser, reading->place,
					  "authorities are \"system\" or {\"file\": \"NAME.pem\"}");
}

static int read_client_certificate(struct reading *reading, json_t *value)
{
	static const char *const words[] = {"optional", "required"};
	unsigned int index = 0;
	int err = read_word(reading, value, words, &index);

	reading->asks_client = true;
	reading->credential->certificates.demands_peer = index == 1;
	return err;
}

static int read_any_name(struct reading *reading, json_t *value)
{
	if (!json_is_boolean(value))
		return coax_parser_fail(reading->parser, reading->place,
					"any-name is true or false");
	reading->credential->certificates.any_name = json_is_true(value);
	return 0;
}

static const struct type types[] = {
	{
		"dtls",
		COAX_CREDENTIAL_PSK,
		{
			{"psk", read_psk, .required = true},
			{"client-identity", read_identity, .required = true},
			{"server-name", read_server_name, .is_servers = true},
		},
		"psk, client-identity and server-name",
	},
	{
		"certificate",
		COAX_CREDENTIAL_CERTIFICATES,
		{
			{.name = "chain", .read = read_chain},
			{.name = "key", .read = read_key},
			{.name = "authorities", .read = read_authorities},
			{.name = "revoked", .read = read_revoked},
			{.name = "any-name", .read = read_any_name},
			{"client-certificate", read_client_certificate, .is_servers = true},
			{"server-name", read_server_name, .is_servers = true},
		},
		"chain, key, authorities, revoked, any-name, client-certificate and server-name",
	},
	{
		"raw-public-key",
		COAX_CREDENTIAL_PUBLIC_KEY,
		{
			{"key", read_key, .required = true},
			{"peer-key", read_peer_key, .required = true},
			{"server-name", read_server_name, .is_servers = true},
		},
		"key, peer-key and server-name",
	},
};

/*
 * What fits together. A server that says whom it trusts to have signed its clients' certificates
 * wants to see them, unless it says otherwise.
 */
static int check_certificates(struct reading *reading)
{
	struct coax_certificates *certificates = &reading->credential->certificates;
	bool trusts = certificates->authorities || certificates->system_authorities;
	struct coax_parser *parser = reading->parser;
	const char *problem = NULL;

	if (!certificates->chain != !certificates->key)
		problem = "chain and key go together: the other one is missing";
	else if (!certificates->chain && !trusts)
		problem = "it needs a chain with its key, or authorities (\"system\" trusts those "
			  "of this system)";
	else if (reading->asks_client && !trusts)
		problem = "client-certificate needs authorities, by which certificates are checked";
	else if (certificates->revoked && !trusts)
		problem = "revoked needs authorities, which have signed it";
	else if (certificates->chain)
		problem = coax_pem_check_pair(certificates->chain, certificates->key);
	if (problem)
		return coax_parser_fail(parser, reading->place, "certificate: %s", problem);
	if (!reading->asks_client)
		certificates->demands_peer = trusts && coax_parser_is_label(parser->key);
	return 0;
}

static const struct attribute *find_attribute(const struct type *type, const char *name)
{
	for (const struct attribute *a = type->attributes; a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

static int read_attribute(struct reading *reading, const struct type *type, const char *name,
			  json_t *value, unsigned int *seen)
{
	const struct attribute *attribute = find_attribute(type, name);
	struct coax_parser *parser = reading->parser;
	unsigned int bit;

	if (!attribute)
		return coax_parser_fail(parser, reading->place,
					"%s has no attribute \"%.40s\": it has %s", type->name,
					name, type->attribute_names);
	if (attribute->is_servers && !coax_parser_is_label(parser->key))
		return coax_parser_fail(parser, reading->place,
					"%s is for a server's entries, whose keys begin with ':'",
					attribute->name);
	bit = 1u << (attribute - type->attributes);
	if (*seen & bit)
		return coax_parser_fail(parser, reading->place, "%s is there twice",
					attribute->name);
	*seen |= bit;
	reading->attribute = attribute->name;
	return attribute->read(reading, value);
}

static int read_attributes(struct reading *reading, const struct type *type, json_t *attributes)
{
	size_t type_place = reading->place;
	unsigned int seen = 0;
	const char *hidden;
	json_t *value;

	json_object_foreach(attributes, hidden, value)
	{
		char *name;
		int err = coax_parser_read_string(reading->parser, hidden, &name, &reading->place);

		if (err)
			return err;
		err = read_attribute(reading, type, name, value, &seen);
		coax_string_free(name);
		if (err)
			return err;
	}
	reading->place = type_place;
	for (const struct attribute *a = type->attributes; a->name; a++)
		if (a->required && !(seen & 1u << (a - type->attributes)))
			return coax_parser_fail(reading->parser, type_place, "%s lacks %s",
						type->name, a->name);
	return type->kind == COAX_CREDENTIAL_CERTIFICATES ? check_certificates(reading) : 0;
}

static bool is_foreign(const char *type)
{
	for (size_t i = 0; i < sizeof(foreign_types) / sizeof(foreign_types[0]); i++)
		if (strcmp(type, foreign_types[i]) == 0)
			return true;
	return false;
}

int coax_parser_read_type(struct coax_parser *parser, const char *name, json_t *attributes,
			  size_t place, struct coax_credential **credential)
{
	struct reading reading = {.parser = parser, .place = place};
	const struct type *type = NULL;

	*credential = NULL;
	if (is_foreign(name))
		return 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			type = &types[i];
	if (!type)
		return coax_parser_fail(parser, place,
					"there is no type \"%.40s\": use dtls, certificate, "
					"raw-public-key, any-of or all-of",
					name);
	if (!json_is_object(attributes))
		return coax_parser_fail(parser, place, "%s is an object with %s", name,
					type->attribute_names);
	reading.credential = coax_credentials_add(parser->set, parser->key);
	if (!reading.credential)
		return coax_parser_fail_memory(parser);
	reading.credential->kind = type->kind;
	*credential = reading.credential;
	return read_attributes(&reading, type, attributes);
}
