// A fetch that notes, for each GraphQL request, its method and whether the document was in it.
export const noting = () => {
  const requests = [];
  const noted = async (address, options = {}) => {
    const method = options.method ?? 'GET';
    const parameters = method === 'GET' ? Object.fromEntries(new URL(address).searchParams) : JSON.parse(options.body);
    const response = await fetch(address, options);
    requests.push(`${method} ${parameters.query ? 'document' : 'identifier'} ${response.status}`);
    return response;
  };
  return { noted, requests };
};

