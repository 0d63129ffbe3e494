// SPDX-License-Identifier: BSD-2-Clause
/*
 * Access rules: compiled once, then looked up by a request's path, from its whole length up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/claims.h>
#include <coax/option.h>
#include <coax/uri.h>
#include <sodium.h>
#include "credentials/wildcard.h"
#include "site/access.h"

#define KEY_HASH_LENGTH	  crypto_hash_sha256_BYTES
#define DNS_NAME	  "DNS:"
#define METHODS_NAMED_MAX 32

enum who {
	WHO_ANYBODY,
	WHO_SECURE,
	WHO_LABEL,
	WHO_PSK,
	WHO_SUBJECT,
	WHO_NAME,
	WHO_KEY,
};

struct rule {
	uint32_t methods;
	uint16_t path_length;
	enum who who;
	char *text; /* the label or pattern, below `path` */
	size_t text_length;
	uint8_t *path; /* as in struct coax_site_path */
	uint8_t key[KEY_HASH_LENGTH];
};

struct coax_access {
	struct coax_access *also; /* they have to allow it, too; NULL: nobody */
	unsigned int depth_max;
	size_t count;
	struct rule rules[]; /* by path */
};

static const struct {
	const char *prefix;
	enum who who;
} prefixes[] = {
	{"psk:", WHO_PSK},
	{"subject:", WHO_SUBJECT},
	{"name:", WHO_NAME},
	{"key:", WHO_KEY},
};

static int keep_text(struct rule *rule, enum who who, const char *text)
{
	rule->who = who;
	rule->text_length = strlen(text);
	if (!rule->text_length)
		return -EINVAL;
	rule->text = strdup(text);
	return rule->text ? 0 : -ENOMEM;
}

static int read_key(struct rule *rule, const char *hex)
{
	size_t hex_length = strlen(hex), length;
	const char *end = hex;

	rule->who = WHO_KEY;
	if (sodium_hex2bin(rule->key, sizeof(rule->key), hex, hex_length, ":- ", &length, &end) ||
	    end != hex + hex_length || length != sizeof(rule->key))
		return -EINVAL;
	return 0;
}

/* Host names have no case (RFC 4343); where the text is compared, that of the first piece goes. */
static void lower_name(struct rule *rule)
{
	if (strncmp(rule->text, DNS_NAME, strlen(DNS_NAME)) != 0)
		return;
	for (char *at = rule->text; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
}

static int read_who(struct rule *rule, const char *who)
{
	int err;

	if (strcmp(who, "*") == 0) {
		rule->who = WHO_ANYBODY;
		return 0;
	}
	if (strcmp(who, "secure") == 0) {
		rule->who = WHO_SECURE;
		return 0;
	}
	if (who[0] == ':')
		return who[1] ? keep_text(rule, WHO_LABEL, who) : -EINVAL;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i].prefix);

		if (strncmp(who, prefixes[i].prefix, length) != 0)
			continue;
		if (prefixes[i].who == WHO_KEY)
			return read_key(rule, who + length);
		err = keep_text(rule, prefixes[i].who, who + length);
		if (!err && rule->who == WHO_NAME)
			lower_name(rule);
		return err;
	}
	return -EINVAL;
}

/* A request's path for a text. Returns 0 or -EINVAL. */
static int read_text_path(struct coax_site_path *path, const char *text)
{
	uint8_t buffer[COAX_HEADER_SIZE + COAX_SITE_PATH_MAX];
	struct coax_message m;

	if (coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0) ||
	    coax_uri_path_add_options(text, &m))
		return -EINVAL;
	coax_site_path_read(path, &m);
	return path->whole ? 0 : -EINVAL;
}

/* "/a/" stands for the same as "/a": all that is below it, and itself. */
static int read_path(struct rule *rule, const char *text, unsigned int *depth_max)
{
	struct coax_site_path path;

	if (text[0] != '/' || strpbrk(text, "?#") || read_text_path(&path, text))
		return -EINVAL;
	if (path.depth && path.ends[path.depth] - path.ends[path.depth - 1] == 1)
		path.depth--;
	if (path.depth > *depth_max)
		*depth_max = path.depth;
	rule->path_length = path.ends[path.depth];
	rule->path = malloc(rule->path_length + 1u);
	if (!rule->path)
		return -ENOMEM;
	memcpy(rule->path, path.bytes, rule->path_length);
	return 0;
}

static int compare_paths(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_rules(const void *a, const void *b)
{
	const struct rule *first = a, *second = b;

	return compare_paths(first->path, first->path_length, second->path, second->path_length);
}

int coax_access_create(struct coax_access **result, const struct coax_access_rule *rules,
		       size_t count, size_t *bad)
{
	struct coax_access *access = calloc(1, sizeof(*access) + count * sizeof(access->rules[0]));
	int err = 0;

	if (!access)
		return -ENOMEM;
	for (size_t i = 0; i < count && !err; i++) {
		struct rule *rule = &access->rules[access->count++];

		*bad = i;
		rule->methods = rules[i].methods;
		err = rules[i].path && rules[i].who && rules[i].methods
			      ? read_path(rule, rules[i].path, &access->depth_max)
			      : -EINVAL;
		if (!err)
			err = read_who(rule, rules[i].who);
	}
	if (err) {
		coax_access_destroy(access);
		return err;
	}
	qsort(access->rules, count, sizeof(access->rules[0]), compare_rules);
	*result = access;
	return 0;
}

void coax_access_narrow(struct coax_access *access, struct coax_access *also)
{
	while (access->also)
		access = access->also;
	access->also = also;
}

void coax_access_destroy(struct coax_access *access)
{
	if (!access)
		return;
	coax_access_destroy(access->also);
	for (size_t i = 0; i < access->count; i++) {
		free(access->rules[i].text);
		free(access->rules[i].path);
	}
	free(access);
}

/* `any_case` bytes of the text are compared without regard to case. */
static bool fits(const struct rule *rule, const void *text, size_t length, size_t any_case)
{
	const struct coax_wildcard_text pieces = {
		{{text, any_case}, {(const char *)text + any_case, length - any_case}, {NULL, 0}}};

	return coax_wildcard_fits(rule->text, rule->text_length, &pieces);
}

static bool has_name(const struct rule *rule, const struct coax_claims *claims)
{
	for (size_t i = 0; i < claims->name_count; i++) {
		const char *name = claims->names[i];
		size_t length = strlen(name);
		bool is_host = strncmp(name, DNS_NAME, strlen(DNS_NAME)) == 0;

		if (fits(rule, name, length, is_host ? length : 0))
			return true;
	}
	return false;
}

static bool has_key(const struct rule *rule, const struct coax_claims *claims)
{
	uint8_t hash[KEY_HASH_LENGTH];

	if (!claims->public_key)
		return false;
	crypto_hash_sha256(hash, claims->public_key, claims->public_key_length);
	return memcmp(hash, rule->key, sizeof(hash)) == 0;
}

static bool is_meant(const struct rule *rule, const struct coax_claims *claims)
{
	if (rule->who == WHO_ANYBODY)
		return true;
	if (!claims)
		return false;
	if (rule->who == WHO_SECURE)
		return true;
	if (claims->kind == COAX_CLAIMS_ANONYMOUS)
		return false;
	switch (rule->who) {
	case WHO_LABEL:
		return claims->label && strcmp(claims->label, rule->text) == 0;
	case WHO_PSK:
		return claims->kind == COAX_CLAIMS_PSK && claims->identity &&
		       fits(rule, claims->identity, claims->identity_length, 0);
	case WHO_SUBJECT:
		return claims->kind == COAX_CLAIMS_CERTIFICATE && claims->subject &&
		       fits(rule, claims->subject, strlen(claims->subject), 0);
	case WHO_NAME:
		return claims->kind == COAX_CLAIMS_CERTIFICATE && has_name(rule, claims);
	default:
		return has_key(rule, claims);
	}
}

/* The first rule with this path; NULL: there is none. */
static const struct rule *find(const struct coax_access *access, const uint8_t *path, size_t length)
{
	size_t low = 0, high = access->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct rule *rule = &access->rules[middle];

		if (compare_paths(rule->path, rule->path_length, path, length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == access->count || access->rules[low].path_length != length ||
	    memcmp(access->rules[low].path, path, length) != 0)
		return NULL;
	return &access->rules[low];
}

/*
 * RFC 7252 section 5.10.1 forbids them. A handler might take them for what they are in files, and
 * so for another path than the one that rules were looked up by.
 */
static bool has_dots(const struct coax_site_path *path)
{
	for (unsigned int i = 0; i < path->depth; i++) {
		const uint8_t *segment = path->bytes + path->ends[i];

		if ((segment[0] == 1 && segment[1] == '.') ||
		    (segment[0] == 2 && segment[1] == '.' && segment[2] == '.'))
			return true;
	}
	return false;
}

static bool allows(const struct coax_access *access, const struct coax_claims *claims, uint32_t bit,
		   const struct coax_site_path *path)
{
	const struct rule *rule = NULL, *end;
	unsigned int depth;

	end = access->rules + access->count;
	depth = path->depth < access->depth_max ? path->depth : access->depth_max;
	for (;; depth--) {
		rule = find(access, path->bytes, path->ends[depth]);
		if (rule || !depth)
			break;
	}
	for (const struct rule *first = rule; rule && rule < end && compare_rules(rule, first) == 0;
	     rule++)
		if (rule->methods & bit && is_meant(rule, claims))
			return true;
	return false;
}

bool coax_access_allows(const struct coax_access *access, const struct coax_claims *claims,
			uint8_t method, const struct coax_site_path *path)
{
	if (access && (has_dots(path) || method >= METHODS_NAMED_MAX))
		return false;
	for (; access; access = access->also)
		if (!allows(access, claims, COAX_ACCESS_METHOD(method), path))
			return false;
	return true;
}

bool coax_access_lists(const struct coax_access *access, const struct coax_claims *claims,
		       const char *target, size_t length)
{
	char text[3 * COAX_SITE_PATH_MAX + 2];
	struct coax_site_path path;
	size_t end = 0;

	if (!access || !length || target[0] != '/')
		return true;
	while (end < length && target[end] != '?' && target[end] != '#')
		end++;
	if (end >= sizeof(text))
		return false;
	memcpy(text, target, end);
	text[end] = '\0';
	return read_text_path(&path, text) == 0 &&
	       coax_access_allows(access, claims, COAX_GET, &path);
}
