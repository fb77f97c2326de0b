// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/msg.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_public(const struct fl_key *private_key)
{
	struct fl_key public_key;
	char text[FL_KEY_BASE64];
	struct json_object *o;

	fl_key_public(&public_key, private_key);
	fl_key_format(&public_key, text);
	if (!fl_json) {
		puts(text);
		return;
	}
	o = fl_json_new(FL_MESH_SCHEMA);
	fl_json_str(o, "public_key", text);
	fl_json_print(o);
}

static void print_secret(const char *what, const struct fl_key *key)
{
	char text[FL_KEY_BASE64];
	struct json_object *o;
	struct stat st;

	if (!fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO))
		fl_warn("others can read the file that this goes to; use --out FILE, or set the "
			"umask to 077");
	/* Unbuffered, so that no copy stays behind in stdio's buffer. */
	setvbuf(stdout, NULL, _IONBF, 0);
	fl_key_format(key, text);
	if (fl_json) {
		o = fl_json_new(FL_MESH_SCHEMA);
		fl_json_str(o, what, text);
		fl_json_print(o);
	} else {
		puts(text);
	}
	sodium_memzero(text, sizeof(text));
}

int fl_mesh_genkey(int argc, char **argv)
{
	struct fl_key *key = fl_key_new();
	int status = FL_OK;

	(void)argc;
	(void)argv;
	fl_key_generate(key);
	if (!fl_mesh_opt_out)
		print_secret("private_key", key);
	else if (fl_key_write_file(fl_mesh_opt_out, key))
		status = FL_FAILED;
	else
		print_public(key);
	fl_key_free(key);
	return status;
}

int fl_mesh_genpsk(int argc, char **argv)
{
	struct fl_key *key = fl_key_new();
	int status = FL_OK;

	(void)argc;
	(void)argv;
	randombytes_buf(key, sizeof(*key));
	if (!fl_mesh_opt_out)
		print_secret("preshared_key", key);
	else if (fl_key_write_file(fl_mesh_opt_out, key))
		status = FL_FAILED;
	fl_key_free(key);
	return status;
}

int fl_mesh_pubkey(int argc, char **argv)
{
	struct fl_key *key;

	(void)argc;
	(void)argv;
	key = fl_mesh_opt_key ? fl_key_read_file(fl_mesh_opt_key) :
				fl_key_read_fd(STDIN_FILENO, "standard input");
	if (!key)
		return FL_FAILED;
	print_public(key);
	fl_key_free(key);
	return FL_OK;
}
