/* Memory while programs are loaded. libbpf reads the kernel's types, 10 MiB and more, once for each
 * object. What was freed is kept for the next one, which need not fault it in again; at the end all
 * of it is given back. */
#ifndef PENSTOCK_KERNEL_LOAD_MEMORY_H
#define PENSTOCK_KERNEL_LOAD_MEMORY_H

void load_memory_keep(void);
void load_memory_give_back(void);

#endif
