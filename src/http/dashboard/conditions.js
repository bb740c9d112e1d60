// The conditions of a search.

/**
 * Their names, which are the same in the page's address, in `api/v1/instances` and in `api/v1/acts`. Each but the first, the words that are
 * searched for, is about instances alone.
 */
export const CONDITIONS = ['q', 'application', 'status', 'zone', 'version', 'overdue', 'expired', 'restored', 'overridden', 'up'];
