// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <coax/option.h>
#include "coaxd/beneath.h"
#include "coaxd/format.h"
#include "coaxd/listing.h"
#include "coaxd/path.h"

#define LOOKED_AT_MAX 512 /* looked at for one request, hidden ones among them */
#define DEPTH_MAX     8

struct name {
	bool directory;
	char text[NAME_MAX + 1];
};

struct names {
	size_t count;
	size_t room;
	struct name *at;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int add_name(struct names *names, const char *text, bool directory)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		struct name *at = realloc(names->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		names->at = at;
		names->room = room;
	}
	names->at[names->count].directory = directory;
	snprintf(names->at[names->count].text, sizeof(names->at->text), "%s", text);
	names->count++;
	return 0;
}

/* DT_REG, DT_DIR, or anything else for what is not served. */
static unsigned char type_of(DIR *directory, const struct dirent *found)
{
	struct stat status;

	if (found->d_type != DT_UNKNOWN)
		return found->d_type;
	if (fstatat(dirfd(directory), found->d_name, &status, AT_SYMLINK_NOFOLLOW))
		return DT_UNKNOWN;
	return IFTODT(status.st_mode);
}

/* Each entry looked at takes one off *budget; -EFBIG when that ends. */
static int read_names(DIR *directory, struct names *names, size_t *budget)
{
	struct dirent *found;

	while ((found = readdir(directory))) {
		unsigned char type;
		int err;

		if (*budget == 0)
			return -EFBIG;
		--*budget;
		if (coaxd_name_check(found->d_name, strlen(found->d_name)))
			continue;
		type = type_of(directory, found);
		if (type != DT_REG && type != DT_DIR)
			continue;
		err = add_name(names, found->d_name, type == DT_DIR);
		if (err)
			return err;
	}
	return 0;
}

/* The names in a directory, sorted; to be freed also after an error. */
static int scan(int root, const char *path, struct names *names, size_t *budget)
{
	int fd = coaxd_open_beneath(root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	DIR *directory;
	int err;

	*names = (struct names){0};
	if (fd < 0)
		return fd;
	directory = fdopendir(fd);
	if (!directory) {
		err = -errno;
		close(fd);
		return err;
	}
	err = read_names(directory, names, budget);
	closedir(directory);
	if (names->count)
		qsort(names->at, names->count, sizeof(names->at[0]), compare);
	return err;
}

static void write_link(struct coax_link_writer *writer, const char *prefix, const char *path,
		       const struct name *name)
{
	char target[COAXD_TARGET_MAX + 1];
	size_t length = coaxd_path_target_below(prefix, path, name->text, target);
	uint16_t format = name->directory ? COAX_FORMAT_LINK : coaxd_format_of(name->text);
	char digits[8];

	if (name->directory)
		target[length++] = '/';
	coax_link_begin(writer, target, length);
	snprintf(digits, sizeof(digits), "%u", format);
	coax_link_add(writer, "ct", digits);
	coax_link_add(writer, "obs", NULL);
}

int coaxd_list_directory(int root, const char *prefix, const char *path,
			 struct coax_link_writer *writer)
{
	size_t budget = LOOKED_AT_MAX;
	struct names names;
	int err = scan(root, path, &names, &budget);

	for (size_t i = 0; !err && i < names.count; i++)
		write_link(writer, prefix, path, &names.at[i]);
	free(names.at);
	return err;
}

/* A walk through the files. */
struct walk {
	int root;
	const char *prefix;
	struct coaxd_watch *watch;
	bool watched; /* all directories so far */
	size_t budget;
	struct coax_link_writer *writer;
};

static void list_below(struct walk *walk, const char *path, unsigned int depth)
{
	struct names names;

	if (!coaxd_watch_directory(walk->watch, path, strlen(path)))
		walk->watched = false;
	/* After an error there may still be names to show; without any there is nothing to say. */
	scan(walk->root, path, &names, &walk->budget);
	for (size_t i = 0; i < names.count; i++) {
		char below[COAXD_PATH_MAX + NAME_MAX + 2];

		if (!names.at[i].directory) {
			write_link(walk->writer, walk->prefix, path, &names.at[i]);
			continue;
		}
		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", names.at[i].text);
		if (depth < DEPTH_MAX && strlen(below) <= COAXD_PATH_MAX)
			list_below(walk, below, depth + 1);
	}
	free(names.at);
}

bool coaxd_list_files(int root, const char *prefix, struct coaxd_watch *watch,
		      struct coax_link_writer *writer)
{
	struct walk walk = {
		.root = root,
		.prefix = prefix,
		.watch = watch,
		.watched = true,
		.budget = LOOKED_AT_MAX,
		.writer = writer,
	};

	list_below(&walk, "", 1);
	return walk.watched;
}
