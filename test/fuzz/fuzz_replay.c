/* SPDX-License-Identifier: BSD-3-Clause */
/* FILE|DIRECTORY ...: plays these inputs, each once, and says how many there were. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static size_t played;

static void play_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *data = malloc(size ? size : 1);

	if (!file || !data || fread(data, 1, size, file) != size) {
		fprintf(stderr, "%s: can't read it\n", path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	played++;
}

static void play(const char *path);

static void play_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort), i;

	if (count < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	for (i = 0; i < count; i++) {
		char inside[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
			play(inside);
		}
		free(entries[i]);
	}
	free(entries);
}

static void play(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	if (S_ISDIR(st.st_mode))
		play_directory(path);
	else
		play_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		play(argv[i]);
	printf("%zu inputs\n", played);
	return played ? EXIT_SUCCESS : EXIT_FAILURE;
}
