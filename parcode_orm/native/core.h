/* What the topics of the native core share. Each topic is a source file with a table of methods. */

#ifndef PARCODE_CORE_H
#define PARCODE_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_BIG_ENDIAN
#error "stored numbers are little-endian: the pure Python package serves other machines"
#endif

extern PyMethodDef numbers_methods[];
extern PyMethodDef vectors_methods[];

/* Smallest width in bytes of unsigned numbers up to `high`. */
static inline int
unsigned_width(unsigned long long high)
{
    return high < 1ULL << 8 ? 1 : high < 1ULL << 16 ? 2 : high < 1ULL << 32 ? 4 : 8;
}

#endif
