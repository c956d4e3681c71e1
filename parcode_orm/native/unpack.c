/* Unpacking: buffers of a file to lists of values. Bounds that come from the file are checked before they are used. */

#include "core.h"

/* Open a buffer, to be released by PyBuffer_Release(&numbers->view); 0 with an error if it is no such buffer. */
int
open_typed(PyObject *object, Typed *numbers)
{
    if (PyObject_GetBuffer(object, &numbers->view, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0)
        return 0;
    const char *format = numbers->view.format == NULL ? "B" : numbers->view.format;
    numbers->code = *format;
    switch (*format) {
    case 'B': case 'b': numbers->width = 1; break;
    case 'H': case 'h': numbers->width = 2; break;
    case 'I': case 'i': numbers->width = 4; break;
    case 'Q': case 'q': case 'd': numbers->width = 8; break;
    default: numbers->width = 0;
    }
    if (!numbers->width || format[1] != '\0' || numbers->view.itemsize != numbers->width) {
        PyErr_Format(PyExc_NotImplementedError, "numbers of format '%s'", format);
        PyBuffer_Release(&numbers->view);
        return 0;
    }
    numbers->data = numbers->view.buf;
    numbers->count = numbers->view.len / numbers->width;
    return 1;
}

#define FILL(type, make)                                                                           \
    for (Py_ssize_t i = 0; i < count; i++) {                                                       \
        type number;                                                                               \
        memcpy(&number, at + i * sizeof number, sizeof number);                                    \
        PyObject *value = make(number);                                                            \
        if (value == NULL)                                                                         \
            goto failed;                                                                           \
        PyList_SET_ITEM(list, i, value);                                                           \
    }                                                                                              \
    break

/* A list of `count` numbers from number `start` on, all of which the buffer has. */
static PyObject *
list_of(const Typed *numbers, Py_ssize_t start, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    if (list == NULL)
        return NULL;
    const char *at = numbers->data + start * numbers->width;
    switch (numbers->code) {
    case 'B': FILL(uint8_t, PyLong_FromLong);
    case 'H': FILL(uint16_t, PyLong_FromLong);
    case 'I': FILL(uint32_t, PyLong_FromUnsignedLongLong);
    case 'Q': FILL(uint64_t, PyLong_FromUnsignedLongLong);
    case 'b': FILL(int8_t, PyLong_FromLong);
    case 'h': FILL(int16_t, PyLong_FromLong);
    case 'i': FILL(int32_t, PyLong_FromLong);
    case 'q': FILL(int64_t, PyLong_FromLongLong);
    default: FILL(double, PyFloat_FromDouble);
    }
    return list;
failed:
    Py_DECREF(list);
    return NULL;
}

/* unpack_numbers(values, start, stop): the numbers `start` to `stop` of a buffer, clipped as slices are. */
static PyObject *
unpack_numbers(PyObject *module, PyObject *args)
{
    PyObject *values, *found;
    Py_ssize_t start, stop;
    Typed numbers;
    if (!PyArg_ParseTuple(args, "Onn:unpack_numbers", &values, &start, &stop) || !open_typed(values, &numbers))
        return NULL;
    Py_ssize_t count = PySlice_AdjustIndices(numbers.count, &start, &stop, 1);
    found = list_of(&numbers, start, count);
    PyBuffer_Release(&numbers.view);
    return found;
}

/* Whether `count` offsets from `start` on rise and none is beyond `end`. */
static int
are_rising(const Typed *offsets, Py_ssize_t start, Py_ssize_t count, uint64_t end)
{
    uint64_t before = 0;
    for (Py_ssize_t i = start; i < start + count; i++) {
        uint64_t offset = unsigned_at(offsets, i);
        if (offset < before)
            return 0;
        before = offset;
    }
    return before <= end;
}

/* Lists of the numbers between `count` + 1 offsets from `start` on. None where the offsets fall or leave the numbers. */
static PyObject *
lists_between(const Typed *numbers, const Typed *offsets, Py_ssize_t start, Py_ssize_t count)
{
    if (!are_rising(offsets, start, count + 1, numbers->count))
        Py_RETURN_NONE;
    PyObject *lists = PyList_New(count);
    if (lists == NULL)
        return NULL;
    Py_ssize_t from = unsigned_at(offsets, start);
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t to = unsigned_at(offsets, start + i + 1);
        PyObject *list = list_of(numbers, from, to - from);
        if (list == NULL) {
            Py_DECREF(lists);
            return NULL;
        }
        PyList_SET_ITEM(lists, i, list);
        from = to;
    }
    return lists;
}

/* unpack_lists(values, offsets, start, stop): a list for each of the rows `start` to `stop`, whose numbers lie between
   two of the unsigned `offsets`. None where the offsets fall or leave the numbers. */
static PyObject *
unpack_lists(PyObject *module, PyObject *args)
{
    PyObject *values, *places, *found = NULL;
    Py_ssize_t start, stop;
    Typed numbers, offsets;
    if (!PyArg_ParseTuple(args, "OOnn:unpack_lists", &values, &places, &start, &stop))
        return NULL;
    if (!open_typed(values, &numbers))
        return NULL;
    if (open_typed(places, &offsets)) {
        if (strchr("BHIQ", offsets.code) == NULL)
            PyErr_SetString(PyExc_TypeError, "offsets are unsigned");
        else if (start < 0 || stop < start || stop >= offsets.count)
            found = Py_NewRef(Py_None);
        else
            found = lists_between(&numbers, &offsets, start, stop - start);
        PyBuffer_Release(&offsets.view);
    }
    PyBuffer_Release(&numbers.view);
    return found;
}

/* unpack_codes(values, codes, start, stop): for each of the codes `start` to `stop`, the value at this place of a list.
   None where a code is beyond it. */
static PyObject *
unpack_codes(PyObject *module, PyObject *args)
{
    PyObject *values, *codes;
    Py_ssize_t start, stop;
    Typed numbers;
    if (!PyArg_ParseTuple(args, "O!Onn:unpack_codes", &PyList_Type, &values, &codes, &start, &stop))
        return NULL;
    if (!open_typed(codes, &numbers))
        return NULL;
    Py_ssize_t count = PySlice_AdjustIndices(numbers.count, &start, &stop, 1);
    PyObject *found = PyList_New(count);
    for (Py_ssize_t i = 0; found != NULL && i < count; i++) {
        uint64_t code = unsigned_at(&numbers, start + i);
        if (code >= (uint64_t)PyList_GET_SIZE(values)) {
            Py_SETREF(found, Py_NewRef(Py_None));
            break;
        }
        PyObject *value = list_item(values, code);
        if (value == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, value);
    }
    PyBuffer_Release(&numbers.view);
    return found;
}

static inline int
bit(const unsigned char *bits, Py_ssize_t i)
{
    return bits[i >> 3] >> (i & 7) & 1;
}

/* Clip `*start` and `*stop`, numbers of bits from 0 on, to those of `bits`; how many there are between them. */
static Py_ssize_t
clip_bits(const Py_buffer *bits, Py_ssize_t *start, Py_ssize_t *stop)
{
    if (*stop >> 3 >= bits->len)
        *stop = bits->len * 8;
    if (*start < 0 || *stop < *start)
        *start = *stop = 0;
    return *stop - *start;
}

/* unpack_bits(bits, start, stop): bits `start` to `stop`, from the least significant of each byte on, as bools. */
static PyObject *
unpack_bits(PyObject *module, PyObject *args)
{
    Py_buffer bits;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "y*nn:unpack_bits", &bits, &start, &stop))
        return NULL;
    Py_ssize_t count = clip_bits(&bits, &start, &stop);
    PyObject *flags = PyList_New(count);
    for (Py_ssize_t i = 0; flags != NULL && i < count; i++)
        PyList_SET_ITEM(flags, i, Py_NewRef(bit(bits.buf, start + i) ? Py_True : Py_False));
    PyBuffer_Release(&bits);
    return flags;
}

/* unpack_optional(present, bits, start, stop): the values of the list `present` in the places of the bits that are set,
   None elsewhere. ValueError where as many values are not there. */
static PyObject *
unpack_optional(PyObject *module, PyObject *args)
{
    PyObject *present;
    Py_buffer bits;
    Py_ssize_t start, stop, next = 0;
    if (!PyArg_ParseTuple(args, "O!y*nn:unpack_optional", &PyList_Type, &present, &bits, &start, &stop))
        return NULL;
    Py_ssize_t count = clip_bits(&bits, &start, &stop);
    PyObject *found = PyList_New(count);
    for (Py_ssize_t i = 0; found != NULL && i < count; i++) {
        PyObject *value = Py_None;
        if (!bit(bits.buf, start + i))
            Py_INCREF(value);
        else if (next >= PyList_GET_SIZE(present) || (value = list_item(present, next++)) == NULL) {
            next = -1;
            break;
        }
        PyList_SET_ITEM(found, i, value);
    }
    PyBuffer_Release(&bits);
    if (found != NULL && next != PyList_GET_SIZE(present)) {
        Py_CLEAR(found);
        PyErr_SetString(PyExc_ValueError, "other values than there are bits set");
    }
    return found;
}

/* Whether no byte has its highest bit set. */
static int
is_ascii(const char *data, Py_ssize_t size)
{
    uint64_t all = 0;
    Py_ssize_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        all |= word;
    }
    for (; i < size; i++)
        all |= (unsigned char)data[i];
    return (all & 0x8080808080808080ULL) == 0;
}

/* A string of UTF-8 bytes. The interpreter keeps one of each that is shorter than two. */
static inline PyObject *
text_of(const char *data, Py_ssize_t size, int ascii, const char *errors)
{
    if (!ascii || size < 2)
        return PyUnicode_DecodeUTF8(data, size, errors);
    PyObject *text = PyUnicode_New(size, 127);
    if (text != NULL)
        memcpy(PyUnicode_1BYTE_DATA(text), data, size);
    return text;
}

/* A list of the `count` texts between NULs; None if there are others, NULL with an error if one is not UTF-8. */
static PyObject *
texts_between(const char *data, Py_ssize_t size, Py_ssize_t count, const char *errors)
{
    if (count < 1 || count > size + 1)
        Py_RETURN_NONE;
    int ascii = is_ascii(data, size);
    PyObject *texts = PyList_New(count);
    for (Py_ssize_t i = 0; texts != NULL && i < count; i++) {
        const char *nul = size ? memchr(data, 0, size) : NULL;
        if ((nul == NULL) != (i == count - 1)) {
            Py_DECREF(texts);
            Py_RETURN_NONE;
        }
        Py_ssize_t length = nul == NULL ? size : nul - data;
        PyObject *text = text_of(data, length, ascii, errors);
        if (text == NULL) {
            Py_DECREF(texts);
            return NULL;
        }
        PyList_SET_ITEM(texts, i, text);
        data += length + 1;
        size -= length + 1;
    }
    return texts;
}

/* unpack_texts(data, count, errors): the `count` texts that NULs in UTF-8 separate. None if it is not UTF-8, or there
   are more or fewer. */
static PyObject *
unpack_texts(PyObject *module, PyObject *args)
{
    Py_buffer data;
    Py_ssize_t count;
    const char *errors;
    if (!PyArg_ParseTuple(args, "y*ns:unpack_texts", &data, &count, &errors))
        return NULL;
    PyObject *texts = texts_between(data.buf, data.len, count, errors);
    PyBuffer_Release(&data);
    if (texts == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return texts;
}

/* items[start:stop], where both may be negative. */
static PyObject *
slice_of(PyObject *items, Py_ssize_t start, Py_ssize_t stop)
{
    if (!PyList_CheckExact(items))
        return PySequence_GetSlice(items, start, stop);
    PySlice_AdjustIndices(PyList_GET_SIZE(items), &start, &stop, 1);
    return PyList_GetSlice(items, start, stop);
}

/* slices(items, offsets): a sequence cut at a list of offsets, which rise from that of item 0 to the end of the last. */
static PyObject *
slices(PyObject *module, PyObject *args)
{
    PyObject *items, *offsets;
    if (!PyArg_ParseTuple(args, "OO!:slices", &items, &PyList_Type, &offsets))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(offsets) - 1, base = 0, from = 0;
    PyObject *parts = count < 0 ? PyErr_Format(PyExc_IndexError, "no offsets") : PyList_New(count);
    for (Py_ssize_t i = 0; parts != NULL && i <= count; i++) {
        PyObject *offset = list_item(offsets, i);
        Py_ssize_t to = offset == NULL ? -1 : PyLong_AsSsize_t(offset);
        Py_XDECREF(offset);
        if (to < 0) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_OverflowError, "an offset is negative");
            Py_CLEAR(parts);
            break;
        }
        if (i == 0)
            base = to;
        else {
            PyObject *part = slice_of(items, from, to - base);
            if (part == NULL)
                Py_CLEAR(parts);
            else
                PyList_SET_ITEM(parts, i - 1, part);
        }
        from = to - base;
    }
    return parts;
}

PyMethodDef unpack_methods[] = {
    {"slices", slices, METH_VARARGS, NULL},
    {"unpack_bits", unpack_bits, METH_VARARGS, NULL},
    {"unpack_codes", unpack_codes, METH_VARARGS, NULL},
    {"unpack_lists", unpack_lists, METH_VARARGS, NULL},
    {"unpack_numbers", unpack_numbers, METH_VARARGS, NULL},
    {"unpack_optional", unpack_optional, METH_VARARGS, NULL},
    {"unpack_texts", unpack_texts, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
