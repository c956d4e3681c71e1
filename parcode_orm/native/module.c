/* The module: it joins the tables of methods of all topics. */

#include "core.h"

static int
execute(PyObject *module)
{
    PyMethodDef *topics[] = {
        build_methods,
        chunks_methods,
        compare_methods,
        groups_methods,
        heads_methods,
        items_methods,
        keys_methods,
        lookup_methods,
        numbers_methods,
        postings_methods,
        places_methods,
        proxies_methods,
        scan_methods,
        take_methods,
        texts_methods,
        unpack_methods,
        vectors_methods,
    };
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (PyModule_AddFunctions(module, topics[i]) < 0)
            return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "parcode_orm.native._core",
    .m_doc = "Functions in C for Python functions of the same name; see parcode_orm.native.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
