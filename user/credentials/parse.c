// SPDX-License-Identifier: BSD-2-Clause
/*
 * The map of credentials: its keys, references between its entries, and lists of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "credentials/file.h"
#include "credentials/parser.h"

#define FILE_MAX (64 << 20)
/* References that lead to references, and lists in lists. */
#define DEPTH_MAX 16

enum progress {
	NOT_READ,
	BEING_READ,
	READ,
};

/* A key of the map, and what it leads to. */
struct item {
	char *key;
	size_t place;
	json_t *value;
	enum progress progress;
	unsigned int depth;
	const struct coax_credential *usable; /* by a client */
};

struct map {
	struct coax_parser parser;
	struct item *items; /* as they stand in the text */
	size_t count;
	struct item **sorted; /* by key */
	unsigned int being_read;
};

static int read_item(struct map *map, struct item *item);

static int by_key(const void *a, const void *b)
{
	const struct item *const *first = a, *const *second = b;
	int order = strcmp((*first)->key, (*second)->key);

	if (order)
		return order;
	return (*first)->place < (*second)->place ? -1 : (*first)->place > (*second)->place;
}

static struct item *find_item(const struct map *map, const char *key)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(map->sorted[middle]->key, key);

		if (order == 0)
			return map->sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int deepen(struct map *map, struct item *item, unsigned int depth, size_t place)
{
	if (depth > item->depth)
		item->depth = depth;
	return depth <= DEPTH_MAX
		       ? 0
		       : coax_parser_fail(&map->parser, place,
					  "references and lists are more than %d deep", DEPTH_MAX);
}

/* Read what `target` refers to first, then go on with `item`. */
static int follow(struct map *map, struct item *item, const char *target, size_t place,
		  unsigned int depth, const struct coax_credential **usable)
{
	struct coax_parser *parser = &map->parser;
	struct item *other = find_item(map, target);
	int err;

	if (!other || json_is_null(other->value))
		return coax_parser_fail(parser, place, "there is no entry \"%.80s\" to refer to",
					target);
	if (other->progress == BEING_READ)
		return coax_parser_fail(parser, place, "by \"%.80s\" it refers to itself", target);
	err = deepen(map, item, depth + map->being_read, place);
	if (!err)
		err = read_item(map, other);
	parser->key = item->key;
	if (!err)
		err = deepen(map, item, depth + 1 + other->depth, place);
	*usable = other->usable;
	return err;
}

static int read_reference(struct map *map, struct item *item, json_t *value, unsigned int depth,
			  const struct coax_credential **usable)
{
	struct coax_parser *parser = &map->parser;
	size_t place;
	char *target;
	int err = coax_parser_read_string(parser, json_string_value(value), &target, &place);

	if (err)
		return err;
	if (coax_parser_is_label(target))
		err = follow(map, item, target, place, depth, usable);
	else
		err = coax_parser_fail(parser, place,
				       "a text here names another entry, and so begins with ':'");
	coax_string_free(target);
	return err;
}

/* A server knows by it who is there; but not what is only part of something. */
static int accept_as_server(struct map *map, const struct coax_credential *credential, size_t place)
{
	const struct coax_credential *other = NULL;
	struct coax_parser *parser = &map->parser;
	int err = coax_credentials_accept(parser->set, credential, &other);

	if (err == -EEXIST)
		return coax_parser_fail(parser, place,
					"its client-identity is also that of \"%.80s\": a server "
					"could not tell them apart",
					other->label);
	return err ? coax_parser_fail_memory(parser) : 0;
}

static bool is_for_servers(const struct coax_credential *credential)
{
	return coax_parser_is_label(credential->label) &&
	       (credential->kind == COAX_CREDENTIAL_PSK || credential->certificates.key);
}

static int read_value(struct map *map, struct item *item, json_t *value, size_t place,
		      unsigned int depth, bool suffices, const struct coax_credential **usable);

/* Where OpenSSL has no raw public keys, anything else comes before them. */
static bool is_better(const struct coax_credential *found, const struct coax_credential *former)
{
	if (!found || !former)
		return found != NULL;
	return !COAX_RAW_PUBLIC_KEYS && former->kind == COAX_CREDENTIAL_PUBLIC_KEY &&
	       found->kind != COAX_CREDENTIAL_PUBLIC_KEY;
}

/*
 * A client uses the first of an any-of that DTLS can use. A session has one key: of an all-of, DTLS
 * can give what is in it only if that is one thing.
 */
static int read_list(struct map *map, struct item *item, json_t *list, size_t place,
		     unsigned int depth, bool suffices, const struct coax_credential **usable)
{
	const struct coax_credential *found;
	json_t *value;
	size_t i;
	int err;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return coax_parser_fail(&map->parser, place,
					"here goes a list of entries and references");
	err = deepen(map, item, depth, place);
	if (err)
		return err;
	json_array_foreach(list, i, value)
	{
		found = NULL;
		err = read_value(map, item, value, place, depth, suffices, &found);
		if (err)
			return err;
		if (suffices && is_better(found, *usable))
			*usable = found;
	}
	return 0;
}

static bool is_one_of(const char *name, const char *first, const char *second)
{
	return strcmp(name, first) == 0 || strcmp(name, second) == 0;
}

static int read_object(struct map *map, struct item *item, json_t *object, size_t place,
		       unsigned int depth, bool suffices, const struct coax_credential **usable)
{
	struct coax_credential *credential = NULL;
	json_t *value;
	char *name;
	int err;

	err = coax_parser_read_member(&map->parser, object,
				      "dtls, certificate, raw-public-key, any-of and all-of", &name,
				      &value, &place);
	if (err)
		return err;
	if (is_one_of(name, "any-of", "any")) {
		err = read_list(map, item, value, place, depth + 1, suffices, usable);
	} else if (is_one_of(name, "all-of", "all")) {
		err = read_list(map, item, value, place, depth + 1,
				suffices && json_array_size(value) == 1, usable);
	} else {
		err = coax_parser_read_type(&map->parser, name, value, place, &credential);
		*usable = credential;
	}
	if (!err && credential && suffices && is_for_servers(credential))
		err = accept_as_server(map, credential, place);
	coax_string_free(name);
	return err;
}

/* `suffices`: who has it has all that is asked for. */
static int read_value(struct map *map, struct item *item, json_t *value, size_t place,
		      unsigned int depth, bool suffices, const struct coax_credential **usable)
{
	if (json_is_string(value))
		return read_reference(map, item, value, depth, usable);
	if (json_is_object(value))
		return read_object(map, item, value, place, depth, suffices, usable);
	return coax_parser_fail(&map->parser, place,
				"an entry is an object such as {\"dtls\": {...}}, or the name of "
				"another one such as \":name\"");
}

static int read_item(struct map *map, struct item *item)
{
	struct coax_parser *parser = &map->parser;
	int err;

	if (item->progress == READ || json_is_null(item->value))
		return 0;
	item->progress = BEING_READ;
	map->being_read++;
	parser->key = item->key;
	err = read_value(map, item, item->value, item->place, 0, true, &item->usable);
	if (!err && !coax_parser_is_label(item->key) &&
	    coax_credentials_add_pattern(parser->set, item->key, item->usable))
		err = coax_parser_fail_memory(parser);
	item->progress = READ;
	map->being_read--;
	return err;
}

static bool is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string != NULL;
}

/* A key that nothing could ever fit is a mistake. */
static int check_key(struct coax_parser *parser, const struct item *item)
{
	if (!is_utf8(item->key))
		return coax_parser_fail(parser, item->place, "a key of the map is not UTF-8");
	if (coax_parser_is_label(item->key) && item->key[1])
		return 0;
	if (!coax_parser_is_label(item->key) &&
	    (strstr(item->key, "://") || strchr(item->key, '*')))
		return 0;
	return coax_parser_fail(parser, item->place,
				"a key is a pattern of URIs such as \"coaps://host/*\", or a name "
				"such as \":name\"");
}

/* The keys, sorted, so that references find them. */
static int read_keys(struct map *map, json_t *object)
{
	struct coax_parser *parser = &map->parser;
	const char *hidden;
	json_t *value;

	map->items = calloc(json_object_size(object) + 1, sizeof(*map->items));
	map->sorted = calloc(json_object_size(object) + 1, sizeof(struct item *));
	if (!map->items || !map->sorted)
		return coax_parser_fail_memory(parser);
	json_object_foreach(object, hidden, value)
	{
		struct item *item = &map->items[map->count];
		int err = coax_parser_read_string(parser, hidden, &item->key, &item->place);

		if (err)
			return err;
		item->value = value;
		map->sorted[map->count++] = item;
		parser->key = item->key;
		err = check_key(parser, item);
		if (err)
			return err;
	}
	qsort(map->sorted, map->count, sizeof(struct item *), by_key);
	for (size_t i = 1; i < map->count; i++) {
		const struct item *former = map->sorted[i - 1], *item = map->sorted[i];

		parser->key = item->key;
		if (strcmp(former->key, item->key) == 0)
			return coax_parser_fail(parser, item->place, "it is in line %u already",
						coax_string_line(&parser->text, former->place));
	}
	return 0;
}

static int read_map(struct coax_parser *parser, json_t *object)
{
	struct map map = {.parser = *parser};
	int err;

	if (!json_is_object(object))
		return coax_parser_fail(parser, 0, "credentials are one object, from { to }");
	err = read_keys(&map, object);
	for (size_t i = 0; i < map.count && !err; i++)
		err = read_item(&map, &map.items[i]);
	if (!err)
		coax_credentials_sort(parser->set);
	for (size_t i = 0; i < map.count; i++)
		coax_string_free(map.items[i].key);
	free(map.items);
	free(map.sorted);
	return err;
}

/* Where a line begins. */
static size_t line_place(const struct coax_json_text *text, int line)
{
	size_t at = 0;

	for (; at < text->length && line > 1; at++)
		line -= text->at[at] == '\n';
	return at;
}

/* jansson's message without its " near ...", where it would show what it was given. */
static int fail_syntax(struct coax_parser *parser, json_error_t *error)
{
	char *near = strstr(error->text, " near ");

	if (near)
		*near = '\0';
	return coax_parser_fail(parser, line_place(&parser->text, error->line),
				"this is not JSON: %s", error->text);
}

static int parse(struct coax_parser *parser)
{
	json_error_t error;
	const char *problem;
	size_t length, place;
	json_t *root;
	char *hidden;
	int err;

	err = coax_strings_hide(&parser->text, &hidden, &length, &problem, &place);
	if (err == -EINVAL)
		return coax_parser_fail(parser, place, "this is not JSON: %s", problem);
	if (err)
		return coax_parser_fail_memory(parser);
	root = json_loadb(hidden, length, 0, &error);
	free(hidden);
	if (!root)
		return fail_syntax(parser, &error);
	err = read_map(parser, root);
	json_decref(root);
	return err;
}

int coax_credentials_parse(struct coax_credentials **credentials, const char *text, size_t length,
			   const char *name, char *error)
{
	struct coax_parser parser = {
		.text = {text, length},
		.file = name,
		.error = error,
	};
	int err;

	if (length > FILE_MAX) {
		snprintf(error, COAX_CREDENTIALS_ERROR_MAX, "%.200s: it is longer than %d bytes",
			 name, FILE_MAX);
		return -EFBIG;
	}
	if (coax_credentials_create(&parser.set))
		return coax_parser_fail_memory(&parser);
	err = parse(&parser);
	if (err) {
		coax_credentials_release(parser.set);
		return err;
	}
	*credentials = parser.set;
	return 0;
}

int coax_credentials_load(struct coax_credentials **credentials, const char *file, char *error)
{
	size_t length;
	char *text;
	int err;

	err = coax_secret_file_read(file, FILE_MAX, &text, &length);
	if (err) {
		snprintf(error, COAX_CREDENTIALS_ERROR_MAX, "%.200s: it cannot be read: %s", file,
			 strerror(-err));
		return err;
	}
	err = coax_credentials_parse(credentials, text, length, file, error);
	coax_secret_file_free(text, length);
	return err;
}
