// SPDX-License-Identifier: BSD-3-Clause
/*
 * A service table has no name or address that we could ask for, but much in it can't be otherwise: its id,
 * two enumerations, the sizes of two arrays, a text, and a dozen pointers, each of which has to lead into the
 * program's code or data. Nothing else in a program looks like that by chance.
 */
#include "config.h"

#include "service/loader_scan.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "service/loader_engine.h"

#define IMAGE_DATA (IMAGE_READ | IMAGE_WRITE)
#define NAME_MAX_LENGTH 255u
#define PRIVATE_MAX (1u << 20) /* bytes per connection; real ones have some hundred */

static const struct image_range *range_of(const struct image *image, uintptr_t address, size_t size,
					  unsigned int flags)
{
	const struct image_range *range;
	size_t i;

	for (i = 0; i < image->count; i++) {
		range = &image->ranges[i];
		if ((range->flags & flags) == flags && address >= range->start && address < range->end &&
		    size <= range->end - address)
			return range;
	}
	return NULL;
}

static bool is_code(const struct image *image, uintptr_t address)
{
	return range_of(image, address, 1, IMAGE_EXEC) != NULL;
}

static bool is_code_or_null(const struct image *image, uintptr_t address)
{
	return address == 0 || is_code(image, address);
}

static bool is_array(const struct image *image, const void *array, int count, size_t element)
{
	uintptr_t address = (uintptr_t)array;

	return count >= 1 && count <= LOADER_HANDLERS_MAX && address % sizeof(void *) == 0 &&
	       range_of(image, address, (size_t)count * element, IMAGE_READ) != NULL;
}

static bool is_printable_text(const struct image *image, const char *text)
{
	const struct image_range *range = range_of(image, (uintptr_t)text, 1, IMAGE_READ);
	size_t room;
	size_t i;

	if (range == NULL)
		return false;
	room = range->end - (uintptr_t)text;
	for (i = 0; i < room && i <= NAME_MAX_LENGTH; i++) {
		if (text[i] == '\0')
			return i > 0;
		if (!loader_is_printable(text[i]))
			return false;
	}
	return false;
}

static bool lib_handlers_fit(const struct image *image, const struct corosync_service_engine *engine)
{
	int i;

	if (!is_array(image, engine->lib_engine, engine->lib_engine_count, sizeof(*engine->lib_engine)))
		return false;
	for (i = 0; i < engine->lib_engine_count; i++) {
		if (!is_code(image, (uintptr_t)engine->lib_engine[i].lib_handler_fn) ||
		    !loader_is_flow_control(engine->lib_engine[i].flow_control))
			return false;
	}
	return true;
}

static bool exec_handlers_fit(const struct image *image, const struct corosync_service_engine *engine)
{
	int i;

	if (!is_array(image, engine->exec_engine, engine->exec_engine_count, sizeof(*engine->exec_engine)))
		return false;
	for (i = 0; i < engine->exec_engine_count; i++) {
		if (!is_code(image, (uintptr_t)engine->exec_engine[i].exec_handler_fn) ||
		    !is_code(image, (uintptr_t)engine->exec_engine[i].exec_endian_convert_fn))
			return false;
	}
	return true;
}

static bool functions_fit(const struct image *image, const struct corosync_service_engine *engine)
{
	return is_code(image, (uintptr_t)engine->exec_init_fn) &&
	       is_code(image, (uintptr_t)engine->lib_init_fn) &&
	       is_code(image, (uintptr_t)engine->lib_exit_fn) &&
	       is_code_or_null(image, (uintptr_t)engine->exec_exit_fn) &&
	       is_code_or_null(image, (uintptr_t)engine->exec_dump_fn) &&
	       is_code_or_null(image, (uintptr_t)engine->config_init_fn) &&
	       is_code_or_null(image, (uintptr_t)engine->confchg_fn) &&
	       is_code_or_null(image, (uintptr_t)engine->sync_init) &&
	       is_code_or_null(image, (uintptr_t)engine->sync_process) &&
	       is_code_or_null(image, (uintptr_t)engine->sync_activate) &&
	       is_code_or_null(image, (uintptr_t)engine->sync_abort);
}

/* The cheap questions first: this runs at every eighth byte of the program's data. */
static bool is_service(const struct image *image, const struct corosync_service_engine *engine, uint16_t id)
{
	return engine->id == id && loader_is_flow_control(engine->flow_control) &&
	       loader_is_inquorate(engine->allow_inquorate) && engine->private_data_size <= PRIVATE_MAX &&
	       functions_fit(image, engine) && is_printable_text(image, engine->name) &&
	       lib_handlers_fit(image, engine) && exec_handlers_fit(image, engine);
}

size_t image_find_service(const struct image *image, uint16_t id, struct corosync_service_engine **table)
{
	const size_t step = _Alignof(struct corosync_service_engine);
	const struct image_range *range;
	struct corosync_service_engine *candidate;
	uintptr_t address;
	size_t found = 0;
	size_t i;

	for (i = 0; i < image->count; i++) {
		range = &image->ranges[i];
		if ((range->flags & IMAGE_DATA) != IMAGE_DATA)
			continue;
		address = (range->start + step - 1) / step * step;
		for (; address < range->end && range->end - address >= sizeof(*candidate); address += step) {
			candidate = (struct corosync_service_engine *)address;
			if (!is_service(image, candidate, id))
				continue;
			if (found++ == 0)
				*table = candidate;
		}
	}
	return found;
}

/* Where the string that ends at `end` begins, not before `start`. */
static const char *string_start(const char *start, const char *end)
{
	while (end > start && end[-1] != '\0')
		end--;
	return end;
}

const char *image_find_path(const struct image *image, const char *suffix)
{
	const size_t length = strlen(suffix) + 1;
	const char *start, *end, *hit, *path;
	const char *found = NULL;
	size_t i;

	for (i = 0; i < image->count; i++) {
		if ((image->ranges[i].flags & IMAGE_DATA) != IMAGE_DATA)
			continue;
		start = (const char *)image->ranges[i].start;
		end = (const char *)image->ranges[i].end;
		for (hit = start; (hit = memmem(hit, (size_t)(end - hit), suffix, length)) != NULL;
		     hit += length) {
			path = string_start(start, hit);
			if (*path != '/')
				continue;
			if (found != NULL && strcmp(found, path) != 0)
				return NULL;
			found = path;
		}
	}
	return found;
}

static uintptr_t page_floor(uintptr_t address)
{
	return address - address % (uintptr_t)sysconf(_SC_PAGESIZE);
}

/* Gives the RELRO pages under [start, end) another protection. */
static int relro_protect(const struct image *image, uintptr_t start, uintptr_t end, int protection)
{
	const struct image_range *range;
	uintptr_t from, to;
	size_t i;

	for (i = 0; i < image->count; i++) {
		range = &image->ranges[i];
		if (!(range->flags & IMAGE_RELRO) || end <= range->start || start >= range->end)
			continue;
		from = start > range->start ? page_floor(start) : range->start;
		to = end < range->end ? end : range->end;
		if (mprotect((void *)from, to - from, protection) != 0)
			return -1;
	}
	return 0;
}

int image_patch(const struct image *image, void *target, const void *source, size_t size)
{
	uintptr_t start = (uintptr_t)target;

	if (relro_protect(image, start, start + size, PROT_READ | PROT_WRITE) != 0)
		return -1;
	memcpy(target, source, size);
	return relro_protect(image, start, start + size, PROT_READ);
}

static bool image_add(struct image *image, uintptr_t start, uintptr_t end, unsigned int flags)
{
	if (image->count == IMAGE_RANGES_MAX)
		return false;
	image->ranges[image->count++] = (struct image_range){start, end, flags};
	return true;
}

static bool image_add_segment(struct image *image, uintptr_t base, const ElfW(Phdr) * segment)
{
	uintptr_t start = base + segment->p_vaddr;
	uintptr_t end = start + segment->p_memsz;
	unsigned int flags = 0;

	/* The dynamic linker rounds both ends down. */
	if (segment->p_type == PT_GNU_RELRO)
		return image_add(image, page_floor(start), page_floor(end), IMAGE_READ | IMAGE_RELRO);
	if (segment->p_type != PT_LOAD)
		return true;
	flags |= segment->p_flags & PF_R ? IMAGE_READ : 0;
	flags |= segment->p_flags & PF_W ? IMAGE_WRITE : 0;
	flags |= segment->p_flags & PF_X ? IMAGE_EXEC : 0;
	return image_add(image, start, end, flags);
}

static int describe(struct dl_phdr_info *info, size_t size, void *data)
{
	struct image *image = data;
	size_t i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (!image_add_segment(image, info->dlpi_addr, &info->dlpi_phdr[i]))
			return -1;
	}
	return 1; /* the main program comes first; we want no other */
}

bool image_of_program(struct image *image)
{
	image->count = 0;
	return dl_iterate_phdr(describe, image) == 1;
}
