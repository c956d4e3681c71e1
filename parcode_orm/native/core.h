/* What the topics of the native core share. Each topic is a source file with a table of methods. */

#ifndef PARCODE_CORE_H
#define PARCODE_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_BIG_ENDIAN
#error "stored numbers are little-endian: the pure Python package serves other machines"
#endif

extern PyMethodDef chunks_methods[];
extern PyMethodDef groups_methods[];
extern PyMethodDef compare_methods[];
extern PyMethodDef heads_methods[];
extern PyMethodDef items_methods[];
extern PyMethodDef keys_methods[];
extern PyMethodDef build_methods[];
extern PyMethodDef lookup_methods[];
extern PyMethodDef numbers_methods[];
extern PyMethodDef unpack_methods[];
extern PyMethodDef postings_methods[];
extern PyMethodDef places_methods[];
extern PyMethodDef proxies_methods[];
extern PyMethodDef scan_methods[];
extern PyMethodDef vectors_methods[];
extern PyMethodDef take_methods[];
extern PyMethodDef texts_methods[];

/* Without the GIL another thread could change a list or dictionary while it is walked. */
#ifdef Py_GIL_DISABLED
#define BEGIN_LOCKED(object) Py_BEGIN_CRITICAL_SECTION(object)
#define END_LOCKED Py_END_CRITICAL_SECTION()
#else
#define BEGIN_LOCKED(object) {
#define END_LOCKED }
#endif

/* A method of one sequence: `NAME_locked` gets it locked, as an exact list or tuple. */
#define SEQUENCE_METHOD(name)                                                                      \
    static PyObject *name(PyObject *module, PyObject *given)                                       \
    {                                                                                              \
        PyObject *result, *values = as_sequence(given);                                            \
        if (values == NULL)                                                                        \
            return NULL;                                                                           \
        BEGIN_LOCKED(values);                                                                      \
        result = name##_locked(values);                                                            \
        END_LOCKED;                                                                                \
        Py_DECREF(values);                                                                         \
        return result;                                                                             \
    }

#ifdef __GNUC__
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* Eight bytes of any place as a number. */
static inline uint64_t
read64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* Whether `values` is exactly a list or a tuple, so that the PySequence_Fast macros apply. */
static inline int
is_sequence(PyObject *values)
{
    return PyList_CheckExact(values) || PyTuple_CheckExact(values);
}

/* Whether `value` is exactly a str, whose characters can be read; 0 with an error if they cannot. */
static inline int
is_plain_text(PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyUnicode_CheckExact(value);
#else
    return PyUnicode_CheckExact(value) && PyUnicode_READY(value) == 0; /* deprecated functions make such */
#endif
}

/* `values` itself if it is exactly a list or a tuple, else a list of its items; a strong reference. */
static inline PyObject *
as_sequence(PyObject *values)
{
    return is_sequence(values) ? Py_NewRef(values) : PySequence_List(values);
}

/* The value of an exact int that has one digit at most: 1, and `*value`; 0 for longer ones. */
static inline int
small_int(PyObject *number, long long *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)number))
        return 0;
    *value = PyUnstable_Long_CompactValue((PyLongObject *)number);
#else
    Py_ssize_t size = Py_SIZE(number);
    if (size > 1 || size < -1)
        return 0;
    *value = size ? (long long)size * ((PyLongObject *)number)->ob_digit[0] : 0;
#endif
    return 1;
}

/* A strong reference to item `i` of a list; NULL with an error if the list has become shorter. */
static inline PyObject *
list_item(PyObject *list, Py_ssize_t i)
{
#ifdef Py_GIL_DISABLED
    return PyList_GetItemRef(list, i);
#else
    return i < PyList_GET_SIZE(list) ? Py_NewRef(PyList_GET_ITEM(list, i)) : Py_XNewRef(PyList_GetItem(list, i));
#endif
}

/* What a dictionary has under a key, owned; NULL without an error if that is nothing. */
static inline PyObject *
dict_item(PyObject *dict, PyObject *key)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found;
    return PyDict_GetItemRef(dict, key, &found) < 0 ? NULL : found;
#else
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
}

/* The attribute `name`, as an interned string: types keep the names that they are asked for, each as an object. */
static inline PyObject *
attribute(PyObject *value, const char *name)
{
    PyObject *text = PyUnicode_InternFromString(name);
    PyObject *found = text == NULL ? NULL : PyObject_GetAttr(value, text);
    Py_XDECREF(text);
    return found;
}

/* Before a loop that the compiler vectorises: it is compiled for several processors, and the right one is chosen. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

/* A contiguous buffer of numbers, as `memoryview.cast` gives them: `code` is their struct code. */
typedef struct {
    Py_buffer view;
    const char *data;
    Py_ssize_t count;
    int width;
    char code;
} Typed;

/* See unpack.c. */
int open_typed(PyObject *object, Typed *numbers);

/* Number `i` of a buffer of unsigned ones. */
static inline uint64_t
unsigned_at(const Typed *numbers, Py_ssize_t i)
{
    uint64_t found = 0;
    memcpy(&found, numbers->data + i * numbers->width, numbers->width);
    return found;
}

/* Smallest width in bytes of unsigned numbers up to `high`. */
static inline int
unsigned_width(unsigned long long high)
{
    return high < 1ULL << 8 ? 1 : high < 1ULL << 16 ? 2 : high < 1ULL << 32 ? 4 : 8;
}

/* `count` offsets, at least one, at the smallest `width` that holds the last and highest: a bytes object, or NULL. */
PyObject *packed_offsets(const uint64_t *offsets, Py_ssize_t count, int *width);

/* The bytes of a string's UTF-8, lone surrogates included. `*surrogates` becomes 1 if there are any. */
Py_ssize_t utf8_size(PyObject *text, int *surrogates);

/* Write a string's UTF-8, which has `utf8_size` bytes; its end. */
char *put_utf8(PyObject *text, char *out);

enum { SHORT = 240 }; /* bytes that `short_hash` takes at most */

/* XXH3-64. */
uint64_t short_hash(const unsigned char *data, size_t size, uint64_t seed);

/* XXH3-64 of any number of bytes, with the seed 0: the checksum of the format. */
uint64_t checksum_of(const unsigned char *data, size_t size);

#endif
