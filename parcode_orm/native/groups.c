/* Groups: the rows of each counted, their numbers added up. */

#include "arrays.h"

int
open_numbers(PyObject *from, Numbers *to, int writable)
{
    if (PyObject_GetBuffer(from, &to->view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return -1;
    const char *format = to->view.format == NULL ? "B" : to->view.format;
    format += *format == '<' || *format == '=' || *format == '@';
    to->kind = 0;
    if (*format != '\0' && format[1] == '\0')
        to->kind = strchr("?BHILQ", *format) ? 'u' : strchr("bhilq", *format) ? 'i' : strchr("fd", *format) ? 'f' : 0;
    to->at = to->view.buf;
    to->count = to->view.ndim == 1 ? to->view.shape[0] : 0;
    to->width = (int)to->view.itemsize;
    if (to->view.ndim == 1 && to->kind)
        return 0;
    PyBuffer_Release(&to->view);
    PyErr_SetString(PyExc_ValueError, "an array of numbers, of one axis and in order, is wanted");
    return -1;
}

/* The loops below are inlined for each width, so that a row costs no branch on it. They return the rows that are done. */
static inline Py_ssize_t
add_floats(const char *codes, int width, const char *values, Py_ssize_t rows, char *sums, uint64_t groups)
{
    for (Py_ssize_t row = 0; row < rows; row++) {
        uint64_t code = code_at(codes, width, row);
        if (code >= groups)
            return row;
        double sum, value;
        memcpy(&value, values + row * 8, 8);
        memcpy(&sum, sums + code * 8, 8);
        sum += value;
        memcpy(sums + code * 8, &sum, 8);
    }
    return rows;
}

static inline Py_ssize_t
add_ints(
    const char *codes, int width, const char *values, int value_width, int is_signed, Py_ssize_t rows, char *sums,
    uint64_t groups
)
{
    for (Py_ssize_t row = 0; row < rows; row++) {
        uint64_t code = code_at(codes, width, row), sum;
        if (code >= groups)
            return row;
        memcpy(&sum, sums + code * 8, 8);
        sum += (uint64_t)int_at(values, value_width, is_signed, row);
        memcpy(sums + code * 8, &sum, 8);
    }
    return rows;
}

static Py_ssize_t
add_values(const Numbers *codes, const Numbers *values, Numbers *sums)
{
    const char *at = codes->at, *from = values->at;
    char *to = sums->view.buf;
    Py_ssize_t rows = codes->count;
    uint64_t groups = (uint64_t)sums->count;
    int is_signed = values->kind == 'i', width = codes->width;
#define BY_VALUE(CODE) \
    return values->kind == 'f' ? add_floats(at, CODE, from, rows, to, groups) \
        : values->width == 1   ? add_ints(at, CODE, from, 1, is_signed, rows, to, groups) \
        : values->width == 2   ? add_ints(at, CODE, from, 2, is_signed, rows, to, groups) \
        : values->width == 4   ? add_ints(at, CODE, from, 4, is_signed, rows, to, groups) \
                               : add_ints(at, CODE, from, 8, is_signed, rows, to, groups)
    switch (width) {
    case 1:
        BY_VALUE(1);
    case 2:
        BY_VALUE(2);
    case 4:
        BY_VALUE(4);
    default:
        BY_VALUE(8);
    }
#undef BY_VALUE
}

/* group_sums(codes, values, sums, small): see parcode_orm.query.rows.aggregates. */
static PyObject *
group_sums(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "group_sums takes three arrays and a bool");
        return NULL;
    }
    Numbers codes, values, sums;
    PyObject *result = NULL;
    if (open_numbers(args[0], &codes, 0) < 0)
        return NULL;
    if (open_numbers(args[1], &values, 0) < 0)
        goto no_values;
    if (open_numbers(args[2], &sums, 1) < 0)
        goto no_sums;
    int floats = values.kind == 'f';
    if (codes.kind == 'f' || codes.count != values.count || sums.width != 8 || sums.kind != (floats ? 'f' : 'i')
        || (floats && values.width != 8)) {
        PyErr_SetString(PyExc_ValueError, "group_sums takes codes, as many values, and sums of their kind");
        goto done;
    }
    Py_ssize_t added;
    Py_BEGIN_ALLOW_THREADS
    added = add_values(&codes, &values, &sums);
    Py_END_ALLOW_THREADS
    if (added < codes.count)
        PyErr_SetString(PyExc_ValueError, "a code is beyond the groups");
    else
        result = Py_NewRef(Py_None);
done:
    PyBuffer_Release(&sums.view);
no_sums:
    PyBuffer_Release(&values.view);
no_values:
    PyBuffer_Release(&codes.view);
    return result;
}

enum { ROOM = 4096 };

/* Count codes: how many rows are done. Neighbours are often equal, and a count waits for the one before it to be
   stored: every second row has a table of its own where the groups are few. */
static inline Py_ssize_t
add_counts(const char *codes, int width, Py_ssize_t rows, int64_t *counts, uint64_t groups, uint32_t *others)
{
    Py_ssize_t row = 0;
    for (; others != NULL && row + 1 < rows; row += 2) {
        uint64_t one = code_at(codes, width, row), other = code_at(codes, width, row + 1);
        if (one >= groups || other >= groups)
            return row;
        counts[one]++;
        others[other]++;
    }
    for (; row < rows; row++) {
        uint64_t code = code_at(codes, width, row);
        if (code >= groups)
            return row;
        counts[code]++;
    }
    return row;
}

static Py_ssize_t
count_all(const Numbers *codes, int64_t *counts, Py_ssize_t groups)
{
    uint32_t room[ROOM], *others = groups <= ROOM && codes->count < UINT32_MAX ? room : NULL;
    if (others != NULL)
        memset(others, 0, groups * sizeof *others);
    Py_ssize_t done;
    switch (codes->width) {
    case 1:
        done = add_counts(codes->at, 1, codes->count, counts, groups, others);
        break;
    case 2:
        done = add_counts(codes->at, 2, codes->count, counts, groups, others);
        break;
    case 4:
        done = add_counts(codes->at, 4, codes->count, counts, groups, others);
        break;
    default:
        done = add_counts(codes->at, 8, codes->count, counts, groups, others);
    }
    for (Py_ssize_t group = 0; others != NULL && group < groups; group++)
        counts[group] += others[group];
    return done;
}

/* count_codes(codes, counts): see parcode_orm.query.columns.vectors. */
static PyObject *
count_codes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "count_codes takes two arrays");
        return NULL;
    }
    Numbers codes, counts;
    PyObject *result = NULL;
    if (open_numbers(args[0], &codes, 0) < 0)
        return NULL;
    if (open_numbers(args[1], &counts, 1) < 0) {
        PyBuffer_Release(&codes.view);
        return NULL;
    }
    if (codes.kind == 'f' || counts.kind != 'i' || counts.width != 8 || (uintptr_t)counts.at % 8)
        PyErr_SetString(PyExc_ValueError, "count_codes takes codes, and counts of 64 bits");
    else {
        Py_ssize_t done;
        Py_BEGIN_ALLOW_THREADS
        done = count_all(&codes, counts.view.buf, counts.count);
        Py_END_ALLOW_THREADS
        if (done < codes.count)
            PyErr_SetString(PyExc_ValueError, "a code is beyond the counts");
        else
            result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&counts.view);
    PyBuffer_Release(&codes.view);
    return result;
}

/* -- one sum of all ----------------------------------------------------------------------------------------------------- */

enum { PART = 1 << 16 }; /* values whose sum 64 bits hold, and, of narrow ones, 32 */

#define SUM_OF(NAME, TYPE, PARTIAL) \
    WIDEST static int64_t NAME(const char *at, Py_ssize_t count) \
    { \
        PARTIAL sum = 0; \
        for (Py_ssize_t i = 0; i < count; i++) { \
            TYPE value; \
            memcpy(&value, at + i * sizeof value, sizeof value); \
            sum += value; \
        } \
        return sum; \
    }
SUM_OF(sum_u8, uint8_t, uint32_t)
SUM_OF(sum_i8, int8_t, int32_t)
SUM_OF(sum_u16, uint16_t, uint32_t)
SUM_OF(sum_i16, int16_t, int32_t)
SUM_OF(sum_u32, uint32_t, int64_t)
SUM_OF(sum_i32, int32_t, int64_t)
#undef SUM_OF

/* The sum of up to PART numbers of 64 bits as high * 2**32 + low. */
WIDEST static void
sum_wide(const char *at, Py_ssize_t count, int is_signed, int64_t *high, int64_t *low)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, at + 8 * i, 8);
        *low += (int64_t)(value & 0xFFFFFFFF);
        *high += is_signed ? (int64_t)value >> 32 : (int64_t)(value >> 32);
    }
}

/* high * 2**32 + low. */
static PyObject *
joined_sum(int64_t high, int64_t low)
{
    PyObject *upper = PyLong_FromLongLong(high), *lower = PyLong_FromLongLong(low), *shift = PyLong_FromLong(32);
    PyObject *shifted = upper == NULL || shift == NULL ? NULL : PyNumber_Lshift(upper, shift);
    PyObject *found = shifted == NULL || lower == NULL ? NULL : PyNumber_Add(shifted, lower);
    Py_XDECREF(shifted);
    Py_XDECREF(shift);
    Py_XDECREF(lower);
    Py_XDECREF(upper);
    return found;
}

/* int_sum(values): see parcode_orm.query.rows.aggregates. */
static PyObject *
int_sum(PyObject *module, PyObject *given)
{
    static int64_t (*const of[2][3])(const char *, Py_ssize_t) = {{sum_u8, sum_u16, sum_u32}, {sum_i8, sum_i16, sum_i32}};
    Numbers values;
    if (open_numbers(given, &values, 0) < 0)
        return NULL;
    if (values.kind == 'f') {
        PyBuffer_Release(&values.view);
        return PyErr_Format(PyExc_ValueError, "int_sum takes ints");
    }
    int64_t high = 0, low = 0;
    int is_signed = values.kind == 'i', width = values.width;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t from = 0; from < values.count; from += PART) {
        Py_ssize_t part = values.count - from < PART ? values.count - from : PART;
        if (width == 8)
            sum_wide(values.at + 8 * from, part, is_signed, &high, &low);
        else
            low += of[is_signed][width >> 1](values.at + width * from, part);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&values.view);
    return joined_sum(high, low);
}

PyMethodDef groups_methods[] = {
    {"int_sum", int_sum, METH_O, NULL},
    {"group_sums", (PyCFunction)(void (*)(void))group_sums, METH_FASTCALL, NULL},
    {"count_codes", (PyCFunction)(void (*)(void))count_codes, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
