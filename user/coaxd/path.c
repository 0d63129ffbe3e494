// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "coaxd/path.h"
#include "codec/text.h"

int coaxd_name_check(const char *name, size_t length)
{
	if (length == 0)
		return -EINVAL;
	if (memchr(name, '/', length) || memchr(name, '\0', length))
		return -EINVAL;
	return name[0] == '.' ? -EACCES : 0;
}

static int append_name(struct coaxd_path *path, const char *name, size_t length)
{
	size_t separator = path->length ? 1 : 0;
	int err = coaxd_name_check(name, length);

	if (err)
		return err;
	if (length + separator > COAXD_PATH_MAX - path->length)
		return -ENAMETOOLONG;
	if (separator)
		path->text[path->length++] = '/';
	memcpy(path->text + path->length, name, length);
	path->length += length;
	return 0;
}

bool coaxd_path_is_prefix(const char *prefix, unsigned int *depth)
{
	*depth = 0;
	if (strlen(prefix) > COAXD_PREFIX_MAX || strpbrk(prefix, "%?#"))
		return false;
	while (*prefix) {
		size_t length = strcspn(prefix, "/");

		/* A slash at the end would be an empty name. */
		if (coaxd_name_check(prefix, length) || (prefix[length] && !prefix[length + 1]))
			return false;
		++*depth;
		prefix += length + (prefix[length] == '/');
	}
	return true;
}

int coaxd_path_from_request(struct coaxd_path *path, const struct coax_message *request,
			    unsigned int skipped)
{
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	bool ended = false;
	int err;

	path->length = 0;
	while (coax_options_next(&it, &option) && option.number <= COAX_URI_PATH) {
		if (option.number != COAX_URI_PATH || (skipped && skipped--))
			continue;
		if (ended)
			return -EINVAL;
		if (option.length == 0) {
			ended = true;
			continue;
		}
		err = append_name(path, (const char *)option.value, option.length);
		if (err)
			return err;
	}
	path->text[path->length] = '\0';
	path->directory = ended || path->length == 0;
	return 0;
}

const char *coaxd_path_name(const char *path, size_t length, size_t *parent_length)
{
	const char *slash = memrchr(path, '/', length);

	*parent_length = slash ? (size_t)(slash - path) : 0;
	return slash ? slash + 1 : path;
}

/* What else a segment could hold as it stands is encoded too, which is always right. */
static void put_encoded(struct text *target, const char *path)
{
	for (; *path; path++) {
		if (is_unreserved(*path) || *path == '/')
			text_put(target, *path);
		else
			text_percent_encode(target, (unsigned char)*path);
	}
}

size_t coaxd_path_target_below(const char *prefix, const char *path, const char *name,
			       char target[COAXD_TARGET_MAX])
{
	const char *const parts[] = {prefix, path, name};
	struct text text = {target, COAXD_TARGET_MAX, 0};

	text_put(&text, '/');
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i] || !*parts[i])
			continue;
		if (text.length > 1)
			text_put(&text, '/');
		put_encoded(&text, parts[i]);
	}
	target[text.length] = '\0';
	return text.length;
}

size_t coaxd_path_target(const char *path, const char *name, char target[COAXD_TARGET_MAX])
{
	return coaxd_path_target_below("", path, name, target);
}
