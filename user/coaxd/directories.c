// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/directories.h"
#include <errno.h>
#include <string.h>
#include "coaxd/privileges.h"
#include "rcu.h"

static const char *prefix_of(const struct coaxd_files_options *options)
{
	return options->prefix ? options->prefix : "";
}

static struct coaxd_files *find(struct coaxd_files *files,
				const struct coaxd_files_options *options)
{
	while (files && strcmp(files->prefix, prefix_of(options)) != 0)
		files = files->next;
	return files;
}

static bool is_there(const struct coaxd_files *files, const struct coaxd_files_options *options)
{
	return files && strcmp(files->directory, options->directory) == 0;
}

static void append(struct coaxd_files **list, struct coaxd_files *files)
{
	while (*list)
		list = &(*list)->next;
	files->next = NULL;
	*list = files;
}

static void destroy_all(struct coaxd_files **list)
{
	while (*list) {
		struct coaxd_files *files = *list;

		*list = files->next;
		coaxd_files_destroy(files);
	}
}

struct errand {
	struct coaxd_files *files;
	const struct coaxd_files_options *options;
};

static int create(void *arg)
{
	struct errand *errand = arg;

	return coaxd_files_create(&errand->files, errand->options);
}

int coaxd_directories_make(struct coaxd_directories *directories,
			   const struct coaxd_files_options *options, size_t count,
			   const struct coaxd_files_options **failed)
{
	for (size_t i = 0; i < count; i++) {
		struct coaxd_files *former = find(directories->first, &options[i]);
		struct coaxd_files_options wanted = options[i];
		struct errand errand = {.options = &wanted};
		int err;

		if (is_there(former, &options[i]))
			continue;
		wanted.names = former ? former->names : NULL;
		err = coaxd_privileges_without(create, &errand);
		if (err) {
			*failed = &options[i];
			coaxd_directories_unmake(directories);
			return err;
		}
		append(&directories->made, errand.files);
	}
	return 0;
}

void coaxd_directories_unmake(struct coaxd_directories *directories)
{
	destroy_all(&directories->made);
}

static int set(void *arg)
{
	const struct errand *errand = arg;

	return coaxd_files_set(errand->files, errand->options);
}

static void set_present(struct errand *errand)
{
	uint32_t former = errand->files->max_age;

	/* It has said why not. */
	if (coaxd_privileges_without(set, errand) || errand->files->max_age == former)
		return;
	/* What was given to the kernel says the former one. All that began with it is there then.
	 */
	synchronize_rcu();
	coaxd_files_forget(errand->files);
}

static const struct coaxd_files_options *find_options(const struct coaxd_files *files,
						      const struct coaxd_files_options *options,
						      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(files->prefix, prefix_of(&options[i])) == 0)
			return &options[i];
	return NULL;
}

static void sweep(struct coaxd_directories *directories)
{
	struct coaxd_files **at = &directories->retired;

	while (*at) {
		struct coaxd_files *files = *at;

		if (!coaxd_files_are_idle(files)) {
			at = &files->next;
			continue;
		}
		*at = files->next;
		coaxd_files_destroy(files);
	}
}

static void use_present(struct coaxd_directories *directories, struct coax_site *site,
			const struct coaxd_files_options *options, size_t count)
{
	struct coaxd_files **at = &directories->first;

	while (*at) {
		struct errand errand = {*at, find_options(*at, options, count)};

		if (!errand.options) {
			*at = errand.files->next;
			coaxd_files_remove(errand.files, site);
			append(&directories->retired, errand.files);
			continue;
		}
		if (is_there(errand.files, errand.options))
			set_present(&errand);
		at = &errand.files->next;
	}
}

/* Returns whether there was one in its place. */
static bool succeed(struct coaxd_directories *directories, struct coaxd_files *files)
{
	struct coaxd_files **at = &directories->first;
	struct coaxd_files *former;

	while (*at && strcmp((*at)->prefix, files->prefix) != 0)
		at = &(*at)->next;
	former = *at;
	if (!former)
		return false;
	files->next = former->next;
	*at = files;
	coaxd_files_succeed(files, former);
	append(&directories->retired, former);
	return true;
}

int coaxd_directories_use(struct coaxd_directories *directories, struct coax_site *site,
			  const struct coaxd_files_options *options, size_t count,
			  void (*added)(void *arg, const char *prefix), void *arg)
{
	int result = 0;

	use_present(directories, site, options, count);
	while (directories->made) {
		struct coaxd_files *files = directories->made;
		int err;

		directories->made = files->next;
		if (succeed(directories, files))
			continue;
		err = coaxd_files_add(files, site);
		if (err) {
			coax_log(&files->logger, COAX_LOG_ERROR,
				 "cannot serve \"%s\" at \"/%s\": %s", files->directory,
				 files->prefix, strerror(-err));
			coaxd_files_destroy(files);
			result = err;
			continue;
		}
		append(&directories->first, files);
		added(arg, files->prefix);
	}
	sweep(directories);
	return result;
}

void coaxd_directories_forget(const struct coaxd_directories *directories)
{
	for (struct coaxd_files *files = directories->first; files; files = files->next)
		coaxd_files_forget(files);
}

void coaxd_directories_destroy(struct coaxd_directories *directories)
{
	destroy_all(&directories->first);
	destroy_all(&directories->made);
	destroy_all(&directories->retired);
}
