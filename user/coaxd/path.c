// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "coaxd/path.h"

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

int coaxd_path_from_request(struct coaxd_path *path, const struct coax_message *request)
{
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	bool ended = false;
	int err;

	path->length = 0;
	while (coax_options_next(&it, &option) && option.number <= COAX_URI_PATH) {
		if (option.number != COAX_URI_PATH)
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

/* RFC 3986 section 2.3; what else a segment could hold is encoded too, which is always right. */
static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static size_t encode(const char *text, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t length = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_unreserved(c) || c == '/') {
			out[length++] = (char)c;
		} else {
			out[length++] = '%';
			out[length++] = digits[c >> 4];
			out[length++] = digits[c & 15];
		}
	}
	return length;
}

size_t coaxd_path_target(const char *path, const char *name, char target[COAXD_TARGET_MAX])
{
	size_t length = 0;

	target[length++] = '/';
	length += encode(path, target + length);
	if (name) {
		if (*path)
			target[length++] = '/';
		length += encode(name, target + length);
	}
	target[length] = '\0';
	return length;
}
