// SPDX-License-Identifier: BSD-2-Clause
/*
 * libConfuse knows sections, lists and quotes, and which keys there are; what a value may be,
 * coaxd_settings_take() knows. So to libConfuse all values are texts.
 */
#include "coaxd/config.h"
#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coaxd/config_text.h"

#define KEYS_MAX 16

static const char *const sections[] = {"serve", "kernel",  "security", "access", "limits",
				       "proxy", "proxies", "monitor",  "log"};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

struct reading {
	struct coaxd_options *options;
	const char *file;
	struct coaxd_problems *problems;
	const cfg_t *about; /* the section that such a list was found in last */
	uint64_t given;	    /* of settings, by index: in this section about a directory */
};

/* libConfuse's callbacks have no argument. */
static struct reading *reading;

static bool is_titled(const char *section)
{
	return strcmp(section, "serve") == 0 || strcmp(section, "access") == 0 ||
	       strcmp(section, "proxy") == 0;
}

/* There may be many, each with a list that is for what its title says. */
static bool is_about(const cfg_t *section)
{
	return strcmp(section->name, "access") == 0 || strcmp(section->name, "proxy") == 0;
}

static void complain(const cfg_t *section, const struct coaxd_setting *setting, const char *problem)
{
	char name[64];

	coaxd_problem(reading->problems, "%s:%d: %s %s", reading->file, section->line,
		      coaxd_settings_name(setting, name), problem);
}

static void take(const cfg_t *section, const struct coaxd_setting *setting, const char *text)
{
	char problem[COAXD_PROBLEM_MAX];
	int err = coaxd_settings_take(reading->options, setting, text, problem);

	if (err)
		complain(section, setting, err == -EINVAL ? problem : strerror(-err));
}

static const struct coaxd_setting *find(const char *section, const char *key)
{
	for (size_t i = 0; i < coaxd_setting_count; i++) {
		const struct coaxd_setting *setting = &coaxd_settings[i];
		const char *where = setting->section ? setting->section : "root";

		if (strcmp(where, section) == 0 &&
		    (key ? setting->key && strcmp(setting->key, key) == 0 : !setting->key))
			return setting;
	}
	return NULL;
}

/* "PATH WHO METHODS", or "PREFIX=ORIGIN": the section's title comes first. */
static void take_with_title(const cfg_t *section, const struct coaxd_setting *setting,
			    const char *value)
{
	bool is_rule = strcmp(section->name, "access") == 0;
	char *text;

	if (strpbrk(section->title, " \t=")) {
		complain(section, setting,
			 "is for a path without spaces and '=' (%20 and %3D stand for them)");
		return;
	}
	if (asprintf(&text, "%s%s%s", section->title, is_rule ? " " : "=", value) < 0) {
		complain(section, setting, strerror(ENOMEM));
		return;
	}
	take(section, setting, text);
	free(text);
}

/* Whether this begins something that has been there. Sections about something have their own.
 */
static bool is_given_twice(const cfg_t *section, const cfg_opt_t *option,
			   const struct coaxd_setting *setting)
{
	uint64_t bit = 1ULL << (setting - coaxd_settings);
	bool twice = is_about(section) ? reading->about == section
				       : coaxd_settings_have(reading->options, setting);

	if (is_about(section))
		reading->about = section;
	if (setting->serve) {
		twice = reading->given & bit;
		reading->given |= bit;
	}
	return twice && option->nvalues == 1;
}

/* Told of each value as it is read. Problems are not errors to libConfuse, which would end there.
 */
static int take_value(cfg_t *section, cfg_opt_t *option, const char *value, void *result)
{
	const struct coaxd_setting *setting = find(section->name, option->name);

	*(const char **)result = value;
	if (is_given_twice(section, option, setting))
		complain(section, setting,
			 setting->list ? "is given twice; \"+=\" adds to a list"
				       : "is given twice");
	else if (is_about(section))
		take_with_title(section, setting, value);
	else
		take(section, setting, value);
	return 0;
}

static void take_directory(const cfg_t *section, const struct coaxd_setting *setting)
{
	struct coaxd_options *options = reading->options;

	take(section, setting, section->title);
	/* Of one that is wrong nothing is left for the next. */
	if (options->files_count == options->files_at)
		options->files[options->files_at] =
			(struct coaxd_files_options){.max_age = COAXD_MAX_AGE};
	options->files_at = options->files_count;
	reading->given = 0;
}

/* Told of the end of a section. */
static int take_section(cfg_t *parent, cfg_opt_t *option)
{
	const cfg_t *section = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
	const struct coaxd_setting *setting = find(option->name, NULL);
	bool is_rule = strcmp(option->name, "access") == 0;

	(void)parent;
	if (setting)
		take_directory(section, setting);
	else if (is_rule && !cfg_size((cfg_t *)section, "allow"))
		complain(section, find(option->name, "allow"),
			 "is missing: say who may do what there (allow = \"* none\": nobody "
			 "anything)");
	else if (!is_rule && !cfg_size((cfg_t *)section, "origin"))
		complain(section, find(option->name, "origin"),
			 "is missing: say where to fetch from (\"coap://192.0.2.1\")");
	return 0;
}

__attribute__((format(printf, 2, 0))) static void take_error(cfg_t *section, const char *format,
							     va_list args)
{
	bool is_root = strcmp(section->name, "root") == 0;
	char text[COAXD_PROBLEM_MAX / 2];

	vsnprintf(text, sizeof(text), format, args);
	coaxd_problem(reading->problems, "%s:%d: %s%s%s; see coaxd.conf(5)", reading->file,
		      section->line, is_root ? "" : section->name, is_root ? "" : ": ", text);
}

static cfg_opt_t *add_keys(cfg_opt_t *option, const char *section)
{
	for (size_t i = 0; i < coaxd_setting_count; i++) {
		const struct coaxd_setting *setting = &coaxd_settings[i];
		const char *where = setting->section ? setting->section : "root";

		if (!setting->key || strcmp(where, section) != 0)
			continue;
		if (setting->list)
			*option++ = (cfg_opt_t)CFG_STR_LIST_CB(setting->key, NULL, CFGF_NODEFAULT,
							       take_value);
		else
			*option++ = (cfg_opt_t)CFG_STR_CB(setting->key, NULL, CFGF_NODEFAULT,
							  take_value);
	}
	return option;
}

static int parse(const char *text)
{
	cfg_opt_t keys[SECTIONS][KEYS_MAX] = {0};
	cfg_opt_t all[KEYS_MAX + SECTIONS] = {0};
	cfg_opt_t *option = add_keys(all, "root");
	cfg_t *root;

	for (size_t i = 0; i < SECTIONS; i++) {
		cfg_flag_t flags = is_titled(sections[i])
					   ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
					   : CFGF_NONE;

		*add_keys(keys[i], sections[i]) = (cfg_opt_t)CFG_END();
		*option = (cfg_opt_t)CFG_SEC(sections[i], keys[i], flags);
		if (is_titled(sections[i]))
			option->validcb = take_section;
		option++;
	}
	*option = (cfg_opt_t)CFG_END();
	root = cfg_init(all, CFGF_NONE);
	if (!root)
		return -ENOMEM;
	cfg_set_error_function(root, take_error);
	cfg_parse_buf(root, text);
	cfg_free(root);
	return 0;
}

void coaxd_config_read(struct coaxd_options *options, const char *file,
		       struct coaxd_problems *problems)
{
	struct reading this = {.options = options, .file = file, .problems = problems};
	char *text = coaxd_config_text(file, problems);

	if (!text)
		return;
	reading = &this;
	if (parse(text))
		coaxd_problem(problems, "%s: %s", file, strerror(ENOMEM));
	reading = NULL;
	options->files_at = 0;
	free(text);
}
