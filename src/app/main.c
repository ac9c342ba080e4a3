/*
 * Entry point; replaced by the table of verbs in cli/.
 */
int main(void)
{
    return 3;
}
