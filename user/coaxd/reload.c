// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/reload.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <coax/control.h>
#include <coax/credentials.h>
#include "rcu.h"

/* What is to be told at the end. */
struct reload {
	struct coaxd_served *served;
	struct coaxd_options *wanted;
	size_t length;
	char *answer;
};

static bool is_in(const struct coaxd_setting *setting, const char *section)
{
	return setting->section && strcmp(setting->section, section) == 0;
}

static bool has_changed(const struct reload *reload, const struct coaxd_setting *setting)
{
	const struct coaxd_served *served = reload->served;

	return !coaxd_settings_are_equal(setting->fixed ? served->started : served->options,
					 reload->wanted, setting);
}

static bool has_section_changed(const struct reload *reload, const char *section)
{
	for (size_t i = 0; i < coaxd_setting_count; i++)
		if (!coaxd_settings[i].fixed && is_in(&coaxd_settings[i], section) &&
		    has_changed(reload, &coaxd_settings[i]))
			return true;
	return false;
}

static void needs_restart(struct reload *reload, const char *what)
{
	int length = snprintf(reload->answer + reload->length, COAXD_ANSWER_MAX - reload->length,
			      "%s%s", reload->length ? ", " : "needs a restart: ", what);

	if (length > 0 && reload->length + (size_t)length < COAXD_ANSWER_MAX)
		reload->length += (size_t)length;
}

static void name_fixed(struct reload *reload)
{
	char name[64];

	for (size_t i = 0; i < coaxd_setting_count; i++)
		if (coaxd_settings[i].fixed && has_changed(reload, &coaxd_settings[i]))
			needs_restart(reload, coaxd_settings_name(&coaxd_settings[i], name));
}

/* A forward-proxy's targets may be. */
static bool has_secure_origins(const struct coaxd_options *options)
{
	for (size_t i = 0; i < options->proxy.mapping_count; i++)
		for (size_t k = 0; k < options->mappings[i].origin_count; k++)
			if (strncasecmp(options->origins[i][k], "coaps:", 6) == 0)
				return true;
	return options->proxy.allowed_count;
}

/* The Context speaks coaps to origins only if there were any to come at the start. */
static int use_as_client(const struct reload *reload, struct coax_credentials *credentials)
{
	const struct coaxd_served *served = reload->served;
	int err = served->proxy ? coax_context_set_client_credentials(served->context, credentials)
				: 0;

	return err == -EOPNOTSUPP && !has_secure_origins(reload->wanted) ? 0 : err;
}

/* Also when the setting is the same: the file it names may not be. */
static int use_credentials(struct reload *reload, struct coax_credentials *credentials)
{
	const struct coaxd_served *served = reload->served;
	int err;

	if (!credentials && !served->options->security.file)
		return 0;
	err = coax_context_set_server_credentials(served->context, credentials);
	if (!err)
		err = use_as_client(reload, credentials);
	if (err == -EOPNOTSUPP) {
		needs_restart(reload, "security: credentials");
		return 0;
	}
	if (!err && credentials)
		coax_log(served->logger, COAX_LOG_INFO, "read %s anew",
			 reload->wanted->security.file);
	return err;
}

static bool is_listed(const struct coaxd_options *options, const char *interface)
{
	for (size_t i = 0; i < options->context.accel.interface_count; i++)
		if (strcmp(options->interfaces[i], interface) == 0)
			return true;
	return false;
}

static void tell_interface(const struct coaxd_served *served, const char *interface,
			   const char *what, int err)
{
	if (err && err != -EALREADY)
		coax_log(served->logger, COAX_LOG_WARNING, "cannot %s %s: %s", what, interface,
			 strerror(-err));
}

/* What `coax attach` and `coax detach` did to others stays. */
static void use_interfaces(struct reload *reload)
{
	const struct coaxd_served *served = reload->served;
	const struct coaxd_options *former = served->options, *wanted = reload->wanted;

	if (!served->started->context.accel.interface_count) {
		if (wanted->context.accel.interface_count)
			needs_restart(reload, "kernel: interface");
		return;
	}
	for (size_t i = 0; i < former->context.accel.interface_count; i++)
		if (!is_listed(wanted, former->interfaces[i]))
			tell_interface(served, former->interfaces[i], "detach from",
				       coax_context_detach(served->context, former->interfaces[i]));
	for (size_t i = 0; i < wanted->context.accel.interface_count; i++)
		if (!is_listed(former, wanted->interfaces[i]))
			tell_interface(served, wanted->interfaces[i], "attach to",
				       coax_context_attach(served->context, wanted->interfaces[i]));
}

/* Others have answered for what is there. */
static void prefix_added(void *arg, const char *prefix)
{
	const struct reload *reload = arg;
	const struct coaxd_served *served = reload->served;

	/* Whoever has found them has published then. */
	synchronize_rcu();
	coaxd_directories_forget(&served->directories);
	if (served->proxy)
		coax_proxy_yield(served->proxy, prefix);
}

static void use_files(struct reload *reload)
{
	struct coaxd_served *served = reload->served;
	const struct coaxd_options *wanted = reload->wanted;

	if (coaxd_directories_use(&served->directories, served->site, wanted->files,
				  wanted->files_count, prefix_added, reload))
		needs_restart(reload, "serve");
}

static int make_directories(const struct reload *reload, struct coaxd_problems *problems)
{
	const struct coaxd_options *wanted = reload->wanted;
	const struct coaxd_files_options *failed;
	int err = coaxd_directories_make(&reload->served->directories, wanted->files,
					 wanted->files_count, &failed);

	if (err)
		coaxd_problem(problems, "cannot serve \"%s\": %s", failed->directory,
			      strerror(-err));
	return err;
}

/* It serves before it is told what: then no request comes too early. */
static int create_proxy(struct coaxd_served *served)
{
	const struct coax_proxy_options none = {.logger = *served->logger};
	struct coax_proxy *proxy;
	int err = coax_proxy_create(&proxy, served->site, &none);

	if (err)
		return err;
	err = coax_proxy_start(proxy, served->context);
	if (err) {
		coax_proxy_destroy(proxy);
		return err;
	}
	__atomic_store_n(&served->proxy, proxy, __ATOMIC_RELEASE);
	return 0;
}

static bool has_proxy_changed(const struct reload *reload)
{
	return has_section_changed(reload, "proxy") || has_section_changed(reload, "proxies");
}

/* With an error all is as it was. */
static int use_proxy(const struct reload *reload, struct coaxd_problems *problems)
{
	struct coaxd_served *served = reload->served;
	int err = 0;

	if (!has_proxy_changed(reload))
		return 0;
	if (!served->proxy && coaxd_options_have_proxy(reload->wanted))
		err = create_proxy(served);
	if (!err && served->proxy)
		err = coax_proxy_set(served->proxy, &reload->wanted->proxy);
	if (!err)
		coaxd_directories_forget(&served->directories);
	if (err)
		coaxd_problem(problems, "cannot proxy so: %s", strerror(-err));
	return err;
}

static void take_back_proxy(const struct reload *reload)
{
	const struct coaxd_served *served = reload->served;

	if (served->proxy && has_proxy_changed(reload))
		(void)coax_proxy_set(served->proxy, &served->options->proxy);
}

/*
 * While what is served changes, nobody gets at what comes before its rules do, nor at what goes
 * after them: former and new rules have to allow it.
 */
static bool has_to_narrow(const struct reload *reload)
{
	return has_section_changed(reload, "access") &&
	       (has_proxy_changed(reload) || has_section_changed(reload, "serve"));
}

static int narrow_access(const struct reload *reload, struct coaxd_problems *problems)
{
	const struct coaxd_served *served = reload->served;
	int err;

	if (!has_to_narrow(reload))
		return 0;
	err = coaxd_security_apply(&reload->wanted->security, &served->options->security,
				   served->site);
	if (err)
		coaxd_problem(problems, "cannot use the access rules: %s", strerror(-err));
	return err;
}

static void take_back_access(const struct reload *reload)
{
	const struct coaxd_served *served = reload->served;

	if (has_to_narrow(reload))
		(void)coaxd_security_apply(&served->options->security, NULL, served->site);
}

/* What can fail; then all is as it was. */
static void use_first(struct reload *reload, struct coax_credentials *credentials,
		      struct coaxd_problems *problems)
{
	int err;

	if (narrow_access(reload, problems))
		return;
	if (use_proxy(reload, problems)) {
		take_back_access(reload);
		return;
	}
	err = use_credentials(reload, credentials);
	if (!err)
		return;
	coaxd_problem(problems, "cannot use %s: %s", reload->wanted->security.file, strerror(-err));
	take_back_proxy(reload);
	take_back_access(reload);
}

static void use_all(struct reload *reload)
{
	const struct coaxd_served *served = reload->served;
	struct coaxd_options *wanted = reload->wanted;

	coaxd_log_set_level(wanted->log.level);
	if (has_section_changed(reload, "limits"))
		(void)coax_context_set_guard(served->context, &wanted->context.guard);
	/* It has observers look again: not without need. */
	use_files(reload);
	if (has_section_changed(reload, "access") &&
	    coaxd_security_apply(&wanted->security, NULL, served->site))
		coax_log(served->logger, COAX_LOG_ERROR, "no memory for the access rules");
	if (has_section_changed(reload, "kernel"))
		use_interfaces(reload);
	name_fixed(reload);
}

static void replace_options(struct reload *reload)
{
	struct coaxd_served *served = reload->served;

	if (served->options != served->started)
		coaxd_options_destroy(served->options);
	served->options = reload->wanted;
}

int coaxd_reload(struct coaxd_served *served, char answer[COAXD_ANSWER_MAX])
{
	struct reload reload = {.served = served, .answer = answer};
	struct coaxd_problems problems = {.logger = served->logger};
	char error[COAX_CREDENTIALS_ERROR_MAX];
	struct coax_credentials *credentials = NULL;

	*answer = '\0';
	reload.wanted = coaxd_options_create(served->arguments, &problems);
	if (reload.wanted && coaxd_security_load(&reload.wanted->security, &credentials, error))
		coaxd_problem(&problems, "%s", error);
	if (!problems.count && make_directories(&reload, &problems) == 0)
		use_first(&reload, credentials, &problems);
	coax_credentials_release(credentials);
	if (problems.count) {
		coaxd_directories_unmake(&served->directories);
		coaxd_options_destroy(reload.wanted);
		snprintf(answer, COAXD_ANSWER_MAX, "%s", problems.first);
		coax_log(served->logger, COAX_LOG_WARNING, "all stays as it was");
		return -EINVAL;
	}
	use_all(&reload);
	replace_options(&reload);
	coax_log(served->logger, *answer ? COAX_LOG_WARNING : COAX_LOG_INFO,
		 "took up its configuration anew%s%s", *answer ? "; " : "", answer);
	return 0;
}
