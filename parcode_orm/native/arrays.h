/* Arrays of numbers, as numpy gives them. */

#ifndef PARCODE_ARRAYS_H
#define PARCODE_ARRAYS_H

#include "core.h"

/* Numbers of one axis in order. `kind` is 'u', 'i' or 'f', and `width` the bytes of one. */
typedef struct {
    Py_buffer view;
    const char *at;
    Py_ssize_t count;
    int kind, width;
} Numbers;

/* Open an array, to be released by PyBuffer_Release(&to->view). -1 with an error where it is none of numbers. Bools
   count as unsigned. See groups.c. */
int open_numbers(PyObject *from, Numbers *to, int writable);

static inline uint64_t
code_at(const char *codes, int width, Py_ssize_t row)
{
    if (width == 1)
        return (uint8_t)codes[row];
    if (width == 2) {
        uint16_t code;
        memcpy(&code, codes + row * 2, 2);
        return code;
    }
    if (width == 4) {
        uint32_t code;
        memcpy(&code, codes + row * 4, 4);
        return code;
    }
    uint64_t code;
    memcpy(&code, codes + row * 8, 8);
    return code;
}

static inline int64_t
int_at(const char *values, int width, int is_signed, Py_ssize_t row)
{
    uint64_t value = code_at(values, width, row);
    if (is_signed && width < 8) {
        uint64_t sign = 1ULL << (8 * width - 1);
        value = (value ^ sign) - sign;
    }
    return (int64_t)value;
}

#endif
